import { Worker } from "node:worker_threads";
import { SECOND_MS } from "../clock.ts";
import { fairLine, turnIn } from "../util/fair-line.ts";

/** The outcome of a request. */
export type Outcome =
  | { readonly kind: "answered"; readonly answer: Uint8Array; readonly tookMs: number }
  /** The request exceeded its limit. */
  | { readonly kind: "overran" }
  /** The request ended the engine: out of memory, or too deep. */
  | { readonly kind: "ended" };

export interface LaneRequest {
  readonly request: Uint8Array;
  /** `<cluster>/<namespace>` */
  readonly place: string;
  /** From when the engine receives it. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
}

/**
 * An engine in its own thread, which processes one request at a time: clusters alternate, and so do the namespaces of a
 * cluster.
 */
export interface Lane {
  /**
   * Rejects with the signal's reason if the signal aborts first. `isInVain` is asked when the request's turn comes:
   * true gives the turn to the next one.
   */
  run(asked: LaneRequest, isInVain?: () => boolean): Promise<Outcome | { readonly kind: "skipped" }>;
  close(): Promise<void>;
}

export interface LaneOptions {
  readonly module: () => Promise<WebAssembly.Module>;
  /** A thread is stopped after being idle for so long. */
  readonly idleMs: number;
}

/** Beside this file, or beside the bundle that contains it. */
const WORKER = new URL(
  import.meta.url.endsWith(".ts") ? "./template-worker.ts" : "./template-worker.mjs",
  import.meta.url,
);

/** For the thread, without the engine's own memory. */
const RESOURCES = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 16, stackSizeMb: 8 } as const;

/** To load the engine. */
const START_MS = 30 * SECOND_MS;

export function lane({ module, idleMs }: LaneOptions): Lane {
  let thread: Promise<Worker> | undefined;
  let idle: NodeJS.Timeout | undefined;
  const line = fairLine<() => void>();
  let isBusy = false;

  const end = async (): Promise<void> => {
    const ending = thread;
    thread = undefined;
    await ending?.then(
      (worker) => worker.terminate(),
      () => undefined,
    );
  };
  const ask = async ({ request, limitMs }: LaneRequest): Promise<Outcome> => {
    clearTimeout(idle);
    thread ??= started(module);
    try {
      const outcome = await exchange(await thread, request, limitMs);
      if (outcome.kind !== "answered") await end();
      return outcome;
    } catch (error) {
      // It did not start: the next request tries again.
      await end();
      throw error;
    } finally {
      idle = setTimeout(() => void end(), idleMs).unref();
    }
  };
  const inTurn: Lane["run"] = async (asked, isInVain) => {
    isBusy = true;
    try {
      asked.signal.throwIfAborted();
      return isInVain?.() ? { kind: "skipped" } : await ask(asked);
    } finally {
      const next = line.next();
      isBusy = next !== undefined;
      next?.();
    }
  };
  return {
    async run(asked, isInVain) {
      const { place, signal } = asked;
      signal.throwIfAborted();
      if (isBusy) await turnIn(line, place, signal);
      // The turn lasts until the engine is free, even if the caller gives up before.
      return await untilAborted(inTurn(asked, isInVain), signal);
    },
    async close() {
      clearTimeout(idle);
      await end();
    },
  };
}

async function started(module: () => Promise<WebAssembly.Module>): Promise<Worker> {
  const workerData = await module();
  // Discards the thread's output, which could only repeat its input.
  const io = { stdin: false, stdout: true, stderr: true } as const;
  const worker = new Worker(WORKER, { workerData, env: {}, argv: [], execArgv: [], resourceLimits: RESOURCES, ...io });
  // The thread may fail while nobody waits for it.
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

/** The thread's next message; or that it ended, or exceeded the limit. */
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
