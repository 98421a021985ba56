import { chmod, lstat, unlink } from "node:fs/promises";
import { BlockList, createServer, isIP, type Server, type Socket, connect as toPeer } from "node:net";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { hostPort, subnet } from "../util/host-port.ts";
import { type Intake, type IntakeLimits, intake } from "./intake.ts";
import { lineSplitter } from "./lines.ts";
import { closing, listening, untilStopped } from "./listening.ts";
import type { InletDeps, Sink } from "./sink.ts";

/**
 * The peer of Vault's socket device. Vault waits for each write, so it reads always and keeps lines in bounded memory.
 */
export type SocketPlace =
  | { readonly way: "tcp"; readonly listen: string; readonly from: readonly string[] }
  | { readonly way: "unix"; readonly path: string; readonly mode: string };

export interface SocketOptions {
  readonly place: SocketPlace;
  readonly sink: Sink;
  readonly limits?: IntakeLimits;
}

/** Vault's active node has one connection; the others have idle ones. */
const MAX_CONNECTIONS = 64;
const KEEP_ALIVE_MS = 30 * SECOND_MS;
const LOGGED_EVERY_MS = MINUTE_MS;

/** Serves until the signal. Throws when it can't listen. */
export async function serveSocket(deps: InletDeps, options: SocketOptions, stop: AbortSignal): Promise<void> {
  const { place, sink } = options;
  const lines = intake(deps, sink, options.limits);
  const open = new Set<Socket>();
  const mayConnect = peersOf(place);
  const refused = refusalLog(deps, sink);
  const server = createServer({ noDelay: true }, (socket) => {
    if (!mayConnect(socket.remoteAddress)) {
      refused(socket.remoteAddress ?? "unknown");
      socket.destroy();
      return;
    }
    // Vault connects again when a write failed, and at its start: what it logged before is lost.
    lines.missed("reconnected");
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    read(socket, lines);
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenAt(server, place);
  deps.log.info("inlet-listening", {
    vault: sink.vault,
    inlet: sink.way,
    at: place.way === "tcp" ? place.listen : place.path,
  });
  const passing = lines.run(stop);
  try {
    await untilStopped(stop);
  } finally {
    const closed = closing(server);
    for (const socket of open) socket.destroy();
    await Promise.all([closed, passing]);
  }
}

/** Anyone who reaches the port may try, as often as they like: one line a minute, with their number. */
function refusalLog({ clock, log }: InletDeps, { vault, way }: Sink): (peer: string) => void {
  let loggedAt: EpochMs | undefined;
  let times = 0;
  return (peer) => {
    times += 1;
    if (loggedAt !== undefined && clock() - loggedAt < LOGGED_EVERY_MS) return;
    log.warn("inlet-peer-refused", { vault, inlet: way, peer, times });
    loggedAt = clock();
    times = 0;
  };
}

function read(socket: Socket, lines: Intake): void {
  const splitter = lineSplitter();
  // An idle one stays open: Vault notices an end only after it has lost a line. Keep-alive finds peers that are gone.
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.on("data", (chunk) => lines.put(splitter.push(chunk)));
  socket.on("end", () => {
    // Half a line is no line: its writer tries it again on another connection.
    socket.end();
  });
  // Vault connects again.
  socket.on("error", () => socket.destroy());
}

async function listenAt(server: Server, place: SocketPlace): Promise<void> {
  if (place.way === "tcp") {
    const { host = "", port = 0 } = hostPort(place.listen) ?? {};
    return listening(server, { host, port });
  }
  await removeStale(place.path);
  await listening(server, { path: place.path });
  await chmod(place.path, Number.parseInt(place.mode, 8));
}

/** A killed process leaves its socket behind. One that answers belongs to another process, and listening fails. */
async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket() && (await isRefused(path))) await unlink(path);
}

function isRefused(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const peer = toPeer({ path });
    peer.once("connect", () => {
      peer.destroy();
      resolve(false);
    });
    peer.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}

function peersOf(place: SocketPlace): (address: string | undefined) => boolean {
  if (place.way === "unix") return () => true;
  const allowed = new BlockList();
  for (const { address, prefix, family } of ["127.0.0.0/8", "::1/128", ...place.from].flatMap(
    (one) => subnet(one) ?? [],
  )) {
    allowed.addSubnet(address, prefix, family);
  }
  return (address = "") => {
    // A server on IPv6 names IPv4 peers so.
    const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
    const family = isIP(plain);
    return family !== 0 && allowed.check(plain, family === 6 ? "ipv6" : "ipv4");
  };
}
