import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HEAP_ENV, HEAP_FLAGS } from "../../../bin/pinned-node.js";
import { waitFor } from "../../harness/index.ts";
import { answerOf, type Ran } from "./answers.ts";
import type { World } from "./world.ts";

export type { Ran };

const MAIN = process.env.KEYFERRY_MAIN ?? fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));

export interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly [field: string]: unknown;
}

/** `keyferry run` as its users start it: a process of its own. */
export interface RunningEngine extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly url: string;
  readonly logs: LogLine[];
  /** Everything that it printed, on either stream. */
  output(): string;
  /** Ctrl-C; answers the exit code. */
  stop(): Promise<number | null>;
  kill(): Promise<void>;
  metrics(): Promise<string>;
}

export interface EngineOptions {
  readonly dataDir?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export function dataDirOf(world: World): string {
  return join(world.folder, "data");
}

/** How the launcher starts Node. */
const NODE_ARGS = ["--disable-warning=ExperimentalWarning", ...HEAP_FLAGS, MAIN];

function argsOf(command: string, world: World, { dataDir = dataDirOf(world), args = [] }: EngineOptions): string[] {
  return [command, "--fleet", world.fleetPath, "--data-dir", dataDir, ...args];
}

/** A process that was started and may not be ready yet. */
export type LaunchedEngine = Omit<RunningEngine, "url" | "metrics">;

/** An engine whose clock is so far ahead: for it, so much time has passed since the last one stopped. */
export function later(ms: number): EngineOptions {
  const ahead = `const now = Date.now; Date.now = () => now() + ${ms};`;
  return { env: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(ahead)}` } };
}

/** Starts the engine and waits for nothing. */
export function launchEngine(world: World, options: EngineOptions = {}): LaunchedEngine {
  const args = ["--listen", "127.0.0.1:0", "--log-level", "debug", ...(options.args ?? [])];
  const child = spawn(process.execPath, [...NODE_ARGS, ...argsOf("run", world, { ...options, args })], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...HEAP_ENV, ...process.env, ...options.env },
  });
  const logs: LogLine[] = [];
  let output = "";
  const read = (stream: NodeJS.ReadableStream): void => {
    let rest = "";
    stream.setEncoding("utf8").on("data", (chunk: string) => {
      output += chunk;
      const lines = (rest + chunk).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line.startsWith("{")) logs.push(JSON.parse(line) as LogLine);
    });
  };
  read(child.stdout);
  read(child.stderr);
  // Its last lines may come after its exit.
  const exited = once(child, "close");
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
    return child.exitCode;
  };
  return {
    child,
    logs,
    output: () => output,
    stop: () => end("SIGINT"),
    kill: async () => void (await end("SIGKILL")),
    async [Symbol.asyncDispose]() {
      await end("SIGKILL");
      mustBeSound(logs);
    },
  };
}

/** Failures that nobody foresaw, and that have no code: whatever a test tries, it must not find one. */
const BUG = /-crashed$|^failure-unhandled$/;

function mustBeSound(logs: readonly LogLine[]): void {
  const bugs = logs.filter(({ event, code }) => BUG.test(event) && code === undefined);
  if (bugs.length > 0) throw new Error(`the engine told of ${bugs.length} bugs, first ${JSON.stringify(bugs[0])}`);
}

/** By a connection of its own: one that was kept may be closed by the engine just when it is used again. */
const ask = (url: string): Promise<Response> => fetch(url, { headers: { connection: "close" } });

/** A machine that is busy is no defect. */
const START_MS = 120_000;

/** Starts the engine and waits until every cluster was taken in. */
export async function startEngine(world: World, options: EngineOptions = {}): Promise<RunningEngine> {
  // One that does not become ready is ended: left to itself, it would keep the test's process for good.
  await using unready = new AsyncDisposableStack();
  const launched = unready.use(launchEngine(world, options));
  const { child, logs, output } = launched;
  const started = await waitFor(
    "the engine to start",
    async () => {
      if (child.exitCode !== null)
        throw new Error(`keyferry run ended with ${child.exitCode}:\n${output().slice(-4_000)}`);
      return logs.find((line) => line.event === "engine-started");
    },
    START_MS,
  );
  const url = String(started.listening);
  await waitFor(
    "the engine to be ready",
    async () => {
      const answer = await ask(`${url}/readyz`);
      // A cluster that can't be looked at was tried as well.
      return answer.ok || (await answer.text()).startsWith("no cluster can be read");
    },
    START_MS,
  );
  unready.move();
  return { ...launched, url, metrics: async () => (await ask(`${url}/metrics`)).text() };
}

/** Runs a command of keyferry to its end. */
export async function keyferry(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const child = spawn(process.execPath, [...NODE_ARGS, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...HEAP_ENV, ...process.env, ...env },
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    stdout += chunk;
  });
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    stderr += chunk;
  });
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

/** One pass over everything that is due. */
export function runOnce(world: World, options: EngineOptions = {}): Promise<Ran> {
  return keyferry(argsOf("run", world, { ...options, args: ["--once", ...(options.args ?? [])] }));
}

export interface StatusAnswer {
  readonly leases?: readonly {
    readonly state: string;
    readonly lease?: string;
    readonly left?: number;
    readonly needsFormerKey?: boolean;
  }[];
  readonly clusters: readonly {
    readonly name: string;
    readonly state: string;
    readonly error?: { readonly code: string };
    readonly warnings?: readonly string[];
    readonly outOfSight?: string;
  }[];
  readonly hubs: readonly {
    readonly name: string;
    readonly state: string;
    readonly clusters: number;
    readonly error?: { readonly code: string };
    readonly refused: readonly { readonly cluster: string; readonly code: string }[];
  }[];
  readonly syncs: readonly {
    readonly key: string;
    readonly state: string;
    readonly attempts: number;
    readonly syncedAt?: string;
    readonly nextAt?: string;
    readonly error?: { readonly code: string; readonly message: string };
    readonly rollout?: { readonly attempts: number; readonly message?: string };
  }[];
}

export async function status(world: World, options: EngineOptions = {}): Promise<StatusAnswer> {
  const args = ["-o", "json", ...(options.args ?? [])];
  return answerOf("status", await keyferry(argsOf("status", world, { ...options, args })));
}
