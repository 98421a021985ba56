import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import type { Done, Failure, Job, Said } from "./messages.ts";

export interface Answer {
  readonly failure?: Failure;
  /** A step took longer than it may, or the process ended. */
  readonly stopped?: "timed out" | "crashed";
  /** Missing where the worker didn't come to the end. */
  readonly done?: Done;
}

export interface Workers extends Disposable {
  /** Hands a job to a worker that is free, or to a new one. */
  readonly run: (job: Job) => Promise<Answer>;
}

export interface WorkersOptions {
  readonly root: string;
  /** Files to count coverage of; without it nothing is counted. */
  readonly scope?: ReadonlySet<string>;
  /** A worker ends after so many jobs: modules are never unloaded. */
  readonly jobsEach: number;
}

interface Worker {
  readonly run: (job: Job) => Promise<Answer>;
  readonly end: () => void;
  jobs: number;
}

const START_MS = 30_000;
const CLEAN_UP_MS = 3_000;
const MOST_RSS = 900 * 1024 ** 2;

/** Ends what is under way when this process does: groups of their own get no signal of a terminal. */
const running = new Set<() => void>();
process.on("exit", () => {
  for (const end of running) end();
});

export function startWorkers(options: WorkersOptions): Workers {
  const free: Worker[] = [];
  let isOver = false;
  return {
    async run(job) {
      const worker = free.pop() ?? startWorker(options);
      const answer = await worker.run(job);
      worker.jobs += 1;
      const isFit =
        !isOver && answer.done !== undefined && answer.done.rss < MOST_RSS && worker.jobs < options.jobsEach;
      if (isFit) free.push(worker);
      else worker.end();
      return answer;
    },
    [Symbol.dispose]() {
      isOver = true;
      for (const { end } of free.splice(0)) end();
    },
  };
}

function startWorker({ root, scope }: WorkersOptions): Worker {
  const child = spawn(
    process.execPath,
    [
      "--disable-warning=ExperimentalWarning",
      join(import.meta.dirname, "worker.ts"),
      root,
      ...(scope ? [JSON.stringify([...scope])] : []),
    ],
    // A group of its own: what tests started ends with them.
    { cwd: root, detached: true, stdio: ["ignore", "ignore", "inherit", "ipc"] },
  );
  const end = () => {
    running.delete(end);
    try {
      if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  running.add(end);
  return { run: (job) => answerOf(child, job, end), end, jobs: 0 };
}

/** What the worker answers, up to its end: a worker that hangs is stopped. */
function answerOf(child: ChildProcess, job: Job, end: () => void): Promise<Answer> {
  return new Promise((resolve) => {
    let failure: Failure | undefined;
    let timer = setTimeout(tooLate, START_MS);
    function finish(answer: Answer): void {
      clearTimeout(timer);
      child.off("message", hear);
      child.off("exit", crashed);
      resolve({ ...(failure && { failure }), ...answer });
    }
    function tooLate(): void {
      end();
      finish(failure ? {} : { stopped: "timed out" });
    }
    function crashed(): void {
      end();
      finish(failure ? {} : { stopped: "crashed" });
    }
    function hear(said: Said): void {
      clearTimeout(timer);
      if ("done" in said) finish({ done: said.done });
      else timer = setTimeout(tooLate, limitAfter(said));
    }
    function limitAfter(said: Exclude<Said, { readonly done: Done }>): number {
      if ("failed" in said) failure = said.failed;
      return failure || !("step" in said) ? CLEAN_UP_MS : said.step;
    }
    child.on("message", hear);
    child.on("exit", crashed);
    child.send(job);
  });
}
