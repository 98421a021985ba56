/** At most `limit` at once, first come first served: waiting here costs nothing of a request's own time-out. */
export interface Slots {
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Whoever waits now fails with this; who comes later waits as usual. */
  refuse(error: Error): void;
  readonly busy: number;
}

export function slots(limit: number): Slots {
  let busy = 0;
  const waiting = new Map<() => void, (error: Error) => void>();
  const turn = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      const start = () => {
        signal.removeEventListener("abort", leave);
        resolve();
      };
      const leave = () => {
        waiting.delete(start);
        reject(signal.reason);
      };
      signal.addEventListener("abort", leave, { once: true });
      waiting.set(start, (error) => {
        signal.removeEventListener("abort", leave);
        reject(error);
      });
    });
  const release = () => {
    const [next] = waiting.keys();
    if (next === undefined) busy -= 1;
    else {
      // The slot is handed over, so that nobody who comes later gets ahead.
      waiting.delete(next);
      next();
    }
  };
  return {
    async run(work, signal) {
      signal.throwIfAborted();
      if (busy < limit) busy += 1;
      else await turn(signal);
      try {
        return await work();
      } finally {
        release();
      }
    },
    refuse(error) {
      const refusals = [...waiting.values()];
      waiting.clear();
      for (const refuse of refusals) refuse(error);
    },
    get busy() {
      return busy;
    },
  };
}
