import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { SECOND_MS, systemClock } from "../lib/clock.ts";
import { InputError } from "../lib/errors.ts";
import { followFile } from "../lib/inlets/follower.ts";
import { INTAKE_LIMITS, type Intake, intake } from "../lib/inlets/intake.ts";
import { positionFile } from "../lib/inlets/position.ts";
import type { PostCredential } from "../lib/inlets/post-proof.ts";
import { servePosts } from "../lib/inlets/post-server.ts";
import { postingInlet } from "../lib/inlets/posting-inlet.ts";
import { postKeys } from "../lib/inlets/signed-post.ts";
import { type InletDeps, type Sink, sinkOf } from "../lib/inlets/sink.ts";
import type { Log } from "../lib/ports/telemetry.ts";
import { jsonLog, type LogLevel } from "../lib/telemetry/log.ts";
import { boundedFile } from "../lib/util/bounded-file.ts";
import { codeOf } from "../lib/util/error-code.ts";
import { hostPort, isLoopback } from "../lib/util/host-port.ts";
import { logLines } from "./log-lines.ts";
import { sleep, stopSignal, WITH_HANG_UP } from "./stop-signal.ts";

export interface RelayFlags {
  readonly to: string;
  readonly keyFile: string;
  readonly listen?: string;
  readonly follow?: string;
  readonly bearerFile?: string;
  readonly caFile?: string;
  readonly dataDir: string;
  readonly logLevel: LogLevel;
}

/** A body is small enough for any receiver, also when nothing of it can be compressed. */
const LIMITS = { ...INTAKE_LIMITS, batchCharacters: 1_024 * 1_024 };
/** How long the last lines may take when it stops. */
const LAST_MS = 5 * SECOND_MS;
const POLL_MS = 20;

/** Signs audit lines of this machine, and forwards them until it is stopped. */
export async function relayCommand(flags: RelayFlags): Promise<number> {
  const url = checkedFlags(flags);
  await keysIn("--key-file", flags.keyFile);
  if (flags.bearerFile !== undefined) await keysIn("--bearer-file", flags.bearerFile);
  const lines = logLines();
  const log = jsonLog(flags.logLevel, lines);
  const stop = stopSignal((signal) => log.info("stop-asked", { signal }), WITH_HANG_UP);
  const inlet = postingInlet({
    ...{ url, clock: systemClock, log, keys: () => keysIn("--key-file", flags.keyFile) },
    ...(flags.caFile === undefined ? {} : { ca: await fileText("--ca-file", flags.caFile) }),
  });
  // A relay has no endpoint for metrics: the receiver counts.
  const deps: InletDeps = {
    ...{ clock: systemClock, random: Math.random, sleep, log },
    metrics: { count: () => undefined },
  };
  log.info("relay-started", { to: url.origin, from: flags.follow ?? flags.listen ?? "" });
  try {
    if (flags.follow !== undefined) {
      await folderOf(flags.dataDir);
      const positions = positionFile(join(flags.dataDir, "position.json"));
      const sink = sinkOf(inlet, "file", deps);
      await followFile(deps, { path: resolve(flags.follow), positions, sink }, stop);
    } else await relayPosts(deps, flags, sinkOf(inlet, "http", deps), stop);
    return 0;
  } finally {
    log.info("relay-stopped");
    await inlet.close();
    await lines.flushed();
  }
}

/** Answers each POST at once, and forwards its lines from memory. */
async function relayPosts(deps: InletDeps, flags: RelayFlags, sink: Sink, stop: AbortSignal): Promise<void> {
  const { listen = "", bearerFile } = flags;
  const kept = intake(deps, sink, LIMITS);
  // What was logged while no relay ran is lost.
  kept.missed("reconnected");
  const forwarding = new AbortController();
  const done = kept.run(forwarding.signal);
  const credential: PostCredential =
    bearerFile === undefined ? { kind: "none" } : { kind: "bearer", tokens: () => keysIn("--bearer-file", bearerFile) };
  const into: Sink = {
    ...sink,
    async take(lines) {
      kept.put(lines);
      return { lines: lines.lines.length, bad: lines.tooLong, nudged: 0 };
    },
    missed: async (reason) => kept.missed(reason),
  };
  try {
    await servePosts(deps, { listen, routes: [{ path: "/", credential, sink: into }], takenStatus: 202 }, stop).catch(
      (error: unknown) => {
        throw new InputError("--listen", [`${listen} cannot be used (${codeOf(error) ?? "unknown"})`]);
      },
    );
  } finally {
    await forwarded(kept, deps.log);
    forwarding.abort();
    await done;
  }
}

/** Gives the last lines some time. */
async function forwarded(kept: Intake, log: Log): Promise<void> {
  const end = systemClock() + LAST_MS;
  while (!kept.isIdle() && systemClock() < end) await sleep(POLL_MS, new AbortController().signal);
  const { waiting } = kept.counts();
  if (waiting > 0) log.error("audit-lines-dropped", { lines: waiting, because: "the relay was stopped" });
}

function checkedFlags({ to, listen, follow, bearerFile }: RelayFlags): URL {
  const url = URL.parse(to);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    throw new InputError("--to", ["must be a URL that begins with https://, or http:// on this machine"]);
  }
  if (url.username !== "" || url.password !== "") throw new InputError("--to", ["must not hold a user or password"]);
  // Signed, but readable on its way: hashes of values, and paths.
  if (url.protocol === "http:" && !isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) {
    throw new InputError("--to", ["must begin with https:// for another machine"]);
  }
  if ((listen === undefined) === (follow === undefined)) {
    throw new InputError("audit relay", ["needs one of --listen and --follow"]);
  }
  if (bearerFile !== undefined && listen === undefined) throw new InputError("--bearer-file", ["goes with --listen"]);
  const address = listen === undefined ? undefined : hostPort(listen);
  if (listen !== undefined && (address === undefined || !isLoopback(address.host))) {
    throw new InputError("--listen", ["must be host:port on loopback, such as 127.0.0.1:9467"]);
  }
  return url;
}

async function keysIn(option: "--key-file" | "--bearer-file", path: string): Promise<readonly Buffer[]> {
  const keys = postKeys(await fileText(option, path));
  if (keys !== undefined) return keys;
  const what = option === "--key-file" ? "key" : "token";
  throw new InputError(option, [`${path} must hold a ${what} of at least 32 characters on each line`]);
}

/** For its position. Without it, a relay that starts again would not know what it has sent. */
async function folderOf(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
    throw new InputError("--data-dir", [`${path} can't be used as a folder (${codeOf(error) ?? "unknown"})`]);
  });
}

async function fileText(option: string, path: string): Promise<string> {
  return boundedFile(path).catch((error: unknown) => {
    throw new InputError(option, [`${path} can't be read (${codeOf(error) ?? "unknown"})`]);
  });
}
