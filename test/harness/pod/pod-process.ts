import { type ChildProcess, spawn } from "node:child_process";
import { outputTail } from "../process/output-tail.ts";
import { forgetGroup, watchGroup } from "../process/watchdog.ts";

export interface Ended {
  readonly code: number;
  /** The last lines of its output. */
  readonly output: string;
}

/** A process of a pod, with all that it starts. */
export interface PodProcess {
  readonly pid: number;
  readonly ended: Promise<Ended>;
  output(): string;
  isRunning(): boolean;
  stop(graceMs: number): Promise<void>;
  kill(): Promise<void>;
}

/** Starts only after the watchdog knows about it, as servers do. */
const GATE = 'read -r go && exec "$@" </dev/null';

/** Starts a command with this machine's PATH and no other variable. */
export function launched(words: readonly string[]): PodProcess {
  const tail = outputTail();
  const child: ChildProcess = spawn("/bin/sh", ["-c", GATE, "container", ...words], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "" },
    detached: true,
  });
  const { pid, stdin, stdout, stderr } = child;
  if (pid === undefined || !stdin || !stdout || !stderr) throw new Error("a container cannot be run");
  let isOver = false;
  const ended = new Promise<Ended>((resolve) => {
    child.once("close", (code) => {
      isOver = true;
      forgetGroup(pid);
      resolve({ code: code ?? -1, output: tail.text() });
    });
  });
  child.once("exit", () => signal(pid, "SIGKILL"));
  tail.follow(stdout);
  tail.follow(stderr);
  stdin.on("error", () => undefined);
  watchGroup(pid);
  stdin.end("go\n");
  const end = async (ask: () => void, graceMs: number): Promise<void> => {
    if (isOver) return;
    ask();
    const timer = setTimeout(() => signal(pid, "SIGKILL"), graceMs);
    await ended;
    clearTimeout(timer);
  };
  return {
    pid,
    ended,
    output: tail.text,
    isRunning: () => !isOver,
    // A kubelet asks the first process of a container alone.
    stop: (graceMs) => end(() => child.kill("SIGTERM"), graceMs),
    kill: () => end(() => signal(pid, "SIGKILL"), 0),
  };
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended already.
  }
}
