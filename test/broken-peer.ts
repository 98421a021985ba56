import { createServer, type IncomingMessage, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from "node:net";
import { type ErrorCode, SyncError } from "../lib/errors.ts";
import type { SourceData, VaultTarget } from "../lib/ports/vault.ts";
import { SecretValue } from "../lib/secret-value.ts";
import { sourceData } from "../lib/vault/kv.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "../lib/vault/vault-client.ts";
import type { ReachOf } from "../lib/vault-reach.ts";

/** A server that is no Vault, or a broken one: what it was asked, and how often it was connected to. */
export interface Peer extends AsyncDisposable {
  readonly target: VaultTarget;
  readonly seen: readonly IncomingMessage[];
  readonly connections: number;
}

export async function httpPeer(answer: RequestListener, host?: string): Promise<Peer> {
  const seen: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  return listening(server, seen, host);
}

/** Speaks bytes. */
export function tcpPeer(onConnection: (socket: Socket) => void): Promise<Peer> {
  return listening(createTcpServer(onConnection), []);
}

async function listening(server: Server, seen: readonly IncomingMessage[], host = "127.0.0.1"): Promise<Peer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on("connection", (socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return {
    target: targetAt(`http://${host}:${port}`),
    seen,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const named: string[] = [];

/** Peers lie on loopback, where none is asked that fleet.yaml does not name. */
export const reachOf: ReachOf = () => ({ named, onlyNamed: false });

/** Far longer than an answer takes on a busy machine: a test of a time-out says its own. */
export const ANSWERED_MS = 60_000;

export function targetAt(address: string, rest: Partial<VaultTarget> = {}): VaultTarget {
  named.push(address, `${address}/vault`, address.replace("http:", "https:"));
  return { address, headers: {}, skipTlsVerify: false, timeoutMs: ANSWERED_MS, ...rest };
}

export const TOKEN = "hvs.never-to-be-seen";
export const forever = new AbortController().signal;

export const QUESTION: VaultQuestion = {
  purpose: "kv-v2",
  repeatable: true,
  method: "GET",
  path: "kv/data/app",
  token: SecretValue.of(TOKEN),
};

/** A read as the end does it, without the login. */
export async function readFrom(
  client: VaultClient,
  target: VaultTarget,
  question: VaultQuestion = QUESTION,
  signal: AbortSignal = forever,
): Promise<SourceData> {
  return sourceData(askedOf(target, question), await client.ask(target, question, signal), false);
}

/** The SyncError that something fails with. */
export async function failure(work: Promise<unknown>, code: ErrorCode): Promise<SyncError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof SyncError)) throw new Error(`expected ${code}`, { cause: error });
  if (error.code !== code) throw new Error(`expected ${code}, got ${error.code}: ${error.message}`, { cause: error });
  return error;
}
