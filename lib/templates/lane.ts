import { Worker } from "node:worker_threads";
import { SECOND_MS } from "../clock.ts";

/** What became of a request. */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: Uint8Array; readonly tookMs: number }
  /** It took longer than the lane allows. */
  | { readonly kind: "overran" }
  /** The engine ended over it: out of memory, or too deep. */
  | { readonly kind: "ended" };

/** One engine in a thread of its own, which takes one request after the other. */
export interface Lane {
  /** Rejects with the signal's reason when it aborts first. */
  run(request: Uint8Array, signal: AbortSignal): Promise<Outcome>;
  /** Requests that are not answered yet, the one at work included. */
  readonly pending: number;
  close(): Promise<void>;
}

export interface LaneOptions {
  readonly module: () => Promise<WebAssembly.Module>;
  /** For one request, from when the engine has it. */
  readonly limitMs: number;
  /** A thread that had nothing to do for so long is ended. */
  readonly idleMs: number;
}

/** Beside this file, or beside the bundle that it became part of. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./template-worker.ts" : "./template-worker.mjs",
  import.meta.url,
);

/** Of a thread, for what is not the engine's own memory. */
const RESOURCES = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 8 } as const;

/** To load the engine; a machine that takes longer has worse to tell. */
const START_MS = 30 * SECOND_MS;

export function lane({ module, limitMs, idleMs }: LaneOptions): Lane {
  let thread: Promise<Worker> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let idle: NodeJS.Timeout | undefined;
  let pending = 0;

  const end = async (): Promise<void> => {
    const ending = thread;
    thread = undefined;
    await ending?.then(
      (worker) => worker.terminate(),
      () => undefined,
    );
  };
  const ask = async (request: Uint8Array): Promise<Outcome> => {
    clearTimeout(idle);
    thread ??= started(module);
    try {
      const outcome = await exchange(await thread, request, limitMs);
      if (outcome.kind !== "answered") await end();
      return outcome;
    } catch (error) {
      // It did not even start: the next request tries anew.
      await end();
      throw error;
    } finally {
      idle = setTimeout(() => void end(), idleMs).unref();
    }
  };
  return {
    async run(request, signal) {
      const turn = last.then(() => {
        signal.throwIfAborted();
        return ask(request);
      });
      pending += 1;
      last = turn.then(
        () => void pending--,
        () => void pending--,
      );
      return untilAborted(turn, signal);
    },
    get pending() {
      return pending;
    },
    async close() {
      clearTimeout(idle);
      await end();
    },
  };
}

async function started(module: () => Promise<WebAssembly.Module>): Promise<Worker> {
  const workerData = await module();
  // Its output goes nowhere: it has nothing to say but what it was given.
  const io = { stdin: false, stdout: true, stderr: true } as const;
  const worker = new Worker(WORKER, { workerData, env: {}, argv: [], execArgv: [], resourceLimits: RESOURCES, ...io });
  // What it fails with when nobody waits for it is nobody's business.
  worker.on("error", () => undefined);
  if ((await firstWord(worker, START_MS)).kind !== "said") {
    await worker.terminate();
    throw new Error("the template engine did not start");
  }
  worker.unref();
  return worker;
}

async function exchange(worker: Worker, request: Uint8Array, limitMs: number): Promise<Outcome> {
  const startedAt = performance.now();
  worker.ref();
  try {
    const word = firstWord(worker, limitMs);
    worker.postMessage(request);
    const heard = await word;
    if (heard.kind !== "said") return heard;
    return { kind: "answered", answer: heard.word as Uint8Array, tookMs: performance.now() - startedAt };
  } finally {
    worker.unref();
  }
}

type Heard = { readonly kind: "said"; readonly word: unknown } | { readonly kind: "overran" | "ended" };

/** What a thread says next, if it says anything in time and before it ends. */
function firstWord(worker: Worker, limitMs: number): Promise<Heard> {
  return new Promise((resolve) => {
    const settle = (heard: Heard): void => {
      clearTimeout(timer);
      worker.off("message", hear).off("error", fail).off("exit", fail);
      resolve(heard);
    };
    const hear = (word: unknown): void => settle({ kind: "said", word });
    const fail = (): void => settle({ kind: "ended" });
    const timer = setTimeout(() => settle({ kind: "overran" }), limitMs);
    worker.on("message", hear).on("error", fail).on("exit", fail);
  });
}

function untilAborted<T>(outcome: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = (): void => reject(signal.reason);
    signal.addEventListener("abort", give, { once: true });
    outcome.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}
