import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { waitFor } from "../../harness/index.ts";
import type { LogLine } from "./engine.ts";

const MAIN = process.env.KEYFERRY_MAIN ?? fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));

/** `keyferry audit relay` as a process of its own. */
export interface Relay extends AsyncDisposable {
  readonly logs: readonly LogLine[];
  /** SIGTERM; answers the exit code. */
  stop(): Promise<number | null>;
}

/** A machine that is busy is no defect. */
const START_MS = 120_000;

/** Starts it, and waits until it listens or follows. */
export async function startRelay(args: readonly string[]): Promise<Relay> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", MAIN, "audit", "relay", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const logs: LogLine[] = [];
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
    const lines = (output + chunk).split("\n");
    output = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("{")) logs.push(JSON.parse(line) as LogLine);
  });
  // Its last lines may come after its exit.
  const exited = once(child, "close");
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    await exited;
    return child.exitCode;
  };
  // One that does not start is ended: left to itself, it would keep the test's process for good.
  await using unready = new AsyncDisposableStack();
  unready.defer(async () => void (await end("SIGKILL")));
  await waitFor(
    "the relay to start",
    async () => {
      if (child.exitCode !== null) throw new Error(`the relay ended with ${child.exitCode}: ${output}`);
      return logs.some(({ event }) => event === "inlet-listening" || event === "inlet-following");
    },
    START_MS,
  );
  unready.move();
  return { logs, stop: () => end("SIGTERM"), [Symbol.asyncDispose]: async () => void (await end("SIGKILL")) };
}
