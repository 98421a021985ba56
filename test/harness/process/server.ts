import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { User } from "./other-user.ts";
import { type OutputTail, outputTail } from "./output-tail.ts";
import { forgetGroup, watchGroup } from "./watchdog.ts";

/** True when the server answers; called again until then. It may throw: not ready yet. */
export type Probe = (signal: AbortSignal) => Promise<boolean>;

export interface ServerSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly ready: Probe;
  /** The whole environment: nothing of ours is inherited but PATH and HOME, so that no VAULT_* or KUBECONFIG leaks in. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whom it runs as; only root can say so. */
  readonly user?: User;
  /** 180,000 when not given: on a busy machine a dozen servers start at once. */
  readonly startTimeoutMs?: number;
  /** What asks it to end; SIGTERM when not given. */
  readonly stopSignal?: NodeJS.Signals;
  /** How long a server may take to end after that signal before it gets SIGKILL. */
  readonly stopGraceMs?: number;
  /** The same at the end of its scope: shorter for a server whose data is thrown away with it. */
  readonly disposeGraceMs?: number;
}

/** A process of ours that can be stopped and started again with the same arguments. */
export interface Server extends AsyncDisposable {
  readonly name: string;
  /** Undefined while it is stopped. */
  pid(): number | undefined;
  /** The last 50 lines of its output, over all its runs. */
  output(): string;
  start(): Promise<void>;
  /** SIGTERM or its own signal, then SIGKILL after the grace. */
  stop(): Promise<void>;
  /** SIGKILL: what a crash looks like. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  pause(): void;
  resume(): void;
}

interface Run {
  readonly pid: number;
  readonly ended: Promise<string>;
  hasEnded(): boolean;
  ref(): void;
}

/** Starts a server and waits until it is ready; if it never is, it is stopped and its last lines are in the error. */
export async function startServer(spec: ServerSpec): Promise<Server> {
  const server = makeServer(spec);
  await server.start();
  return server;
}

function makeServer(spec: ServerSpec): Server {
  const tail = outputTail();
  let run: Run | undefined;
  const { stopSignal = "SIGTERM" } = spec;

  const end = async (first: NodeJS.Signals, graceMs = spec.stopGraceMs ?? 5_000): Promise<void> => {
    const ending = run;
    if (ending === undefined) return;
    ending.ref();
    signalGroup(ending.pid, first);
    signalGroup(ending.pid, "SIGCONT");
    const grace = new AbortController();
    const late = sleep(graceMs, "late", { signal: grace.signal }).catch(() => "ended");
    if ((await Promise.race([ending.ended, late])) === "late") signalGroup(ending.pid, "SIGKILL");
    grace.abort();
    await ending.ended;
    run = undefined;
  };
  const server: Server = {
    name: spec.name,
    pid: () => (run?.hasEnded() === false ? run.pid : undefined),
    output: () => tail.text(),
    async start() {
      if (server.pid() !== undefined) throw new Error(`${spec.name} is running already`);
      run = launch(spec, tail);
      try {
        await untilReady(spec, run);
      } catch (error) {
        await end("SIGKILL");
        throw new Error(`${(error as Error).message}\n--- last lines of ${spec.name} ---\n${tail.text()}`);
      }
    },
    stop: () => end(stopSignal),
    kill: () => end("SIGKILL"),
    async restart() {
      await server.stop();
      await server.start();
    },
    pause() {
      if (!run) return;
      signalGroup(run.pid, "SIGSTOP");
      untilStopped(run.pid);
    },
    resume: () => run && signalGroup(run.pid, "SIGCONT"),
    [Symbol.asyncDispose]: () => end(stopSignal, spec.disposeGraceMs),
  };
  return server;
}

/** Becomes the server only after a word from us, so that there is no moment in which it runs and nobody watches it. */
const GATE = 'read -r go && exec "$@" </dev/null';

function launch(spec: ServerSpec, tail: OutputTail): Run {
  const child: ChildProcess = spawn("/bin/sh", ["-c", GATE, spec.name, spec.command, ...spec.args], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...spec.env },
    // A group of its own: the terminal's Ctrl-C reaches us only, and its plugins end with it.
    detached: true,
    ...spec.user,
  });
  const { pid } = child;
  if (pid === undefined || !child.stdin || !child.stdout || !child.stderr)
    throw new Error(`${spec.name} cannot be run`);
  let isOver = false;
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, signal) => {
      isOver = true;
      signalGroup(pid, "SIGKILL");
      forgetGroup(pid);
      resolve(signal === null ? `ended with code ${code}` : `was ended by ${signal}`);
    });
  });
  tail.follow(child.stdout);
  tail.follow(child.stderr);
  child.stdin.on("error", () => undefined);
  watchGroup(pid);
  child.stdin.end("go\n");
  child.unref();
  return { pid, ended, hasEnded: () => isOver, ref: () => child.ref() };
}

const START_TIMEOUT_MS = 180_000;
const PROBE_TIMEOUT_MS = 5_000;

async function untilReady(spec: ServerSpec, run: Run): Promise<void> {
  const limitMs = spec.startTimeoutMs ?? START_TIMEOUT_MS;
  const signal = AbortSignal.timeout(limitMs);
  for (;;) {
    if (run.hasEnded()) throw new Error(`${spec.name} did not start: it ${await run.ended}`);
    if (signal.aborted) throw new Error(`${spec.name} was not ready after ${limitMs / 1_000} s`);
    const isReady = await spec
      .ready(AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]))
      .catch(() => false);
    if (isReady) return;
    await sleep(25);
  }
}

const STOPPED_WITHIN_MS = 5_000;

/** A signal is delivered a moment after it was sent, and an answer may slip out until then. Where there is no /proc nobody can tell. */
function untilStopped(pid: number): void {
  for (const end = performance.now() + STOPPED_WITHIN_MS; performance.now() < end; ) {
    if (!existsSync(`/proc/${pid}/stat`)) return;
    const states = readdirSync(`/proc/${pid}/task`).map((task) => stateOf(`/proc/${pid}/task/${task}/stat`));
    if (states.every((state) => state === "T" || state === undefined)) return;
  }
}

function stateOf(path: string): string | undefined {
  try {
    // The name, in brackets, may hold anything.
    return /\) (\S)[^)]*$/.exec(readFileSync(path, "utf8"))?.[1];
  } catch {
    // It ended meanwhile.
    return undefined;
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already, which is what we are after.
  }
}
