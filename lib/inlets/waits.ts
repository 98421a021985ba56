/** Waiting in loops that run as long as the process: nothing stays behind on the stop signal. */

/** Waits, and resolves early when the signal aborts. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

/** A loop's pause that something else may end. */
export interface Pause {
  /** Ends the pause, or the next one if none is on. */
  wake(): void;
  /** Resolves after this time, when woken, or when the signal aborts. */
  wait(ms: number, stop: AbortSignal): Promise<void>;
}

export function pauseOf(sleep: Sleep): Pause {
  let isWoken = false;
  let end: () => void = () => undefined;
  return {
    wake() {
      isWoken = true;
      end();
    },
    async wait(ms, stop) {
      if (!isWoken && !stop.aborted) {
        const pausing = new AbortController();
        end = () => pausing.abort();
        stop.addEventListener("abort", end);
        await sleep(ms, pausing.signal);
        stop.removeEventListener("abort", end);
        end = () => undefined;
      }
      isWoken = false;
    },
  };
}

/** Work whose signal aborts with `stop`, or after this time. */
export async function withDeadline<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  stop: AbortSignal,
): Promise<T> {
  stop.throwIfAborted();
  const ending = new AbortController();
  const onStop = (): void => ending.abort(stop.reason);
  const limit = setTimeout(() => ending.abort(new DOMException(`took longer than ${ms} ms`, "TimeoutError")), ms);
  stop.addEventListener("abort", onStop);
  try {
    return await work(ending.signal);
  } finally {
    clearTimeout(limit);
    stop.removeEventListener("abort", onStop);
  }
}
