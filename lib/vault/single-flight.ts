/** One run of the same work at a time, shared by all who ask meanwhile. */
export interface SingleFlight<T> {
  /** A caller's signal ends its own wait only; the work is aborted when nobody waits for it any more. */
  run(key: string, work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Aborts all work. */
  abort(reason: unknown): void;
}

interface Flight<T> {
  readonly outcome: Promise<T>;
  readonly ender: AbortController;
  waiting: number;
}

export function singleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>();
  const start = (key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> => {
    const ender = new AbortController();
    const flight: Flight<T> = { outcome: work(ender.signal), ender, waiting: 0 };
    flights.set(key, flight);
    const forget = () => {
      if (flights.get(key) === flight) flights.delete(key);
    };
    flight.outcome.then(forget, forget);
    return flight;
  };
  const leave = (key: string, flight: Flight<T>) => {
    flight.waiting -= 1;
    if (flight.waiting > 0) return;
    // Else the next caller would join work that is about to fail.
    if (flights.get(key) === flight) flights.delete(key);
    flight.ender.abort(new Error("nobody waits for it"));
  };
  return {
    async run(key, work, signal) {
      signal.throwIfAborted();
      const flight = flights.get(key) ?? start(key, work);
      flight.waiting += 1;
      try {
        return await untilAborted(flight.outcome, signal);
      } finally {
        leave(key, flight);
      }
    },
    abort(reason) {
      for (const flight of flights.values()) flight.ender.abort(reason);
      flights.clear();
    },
  };
}

function untilAborted<T>(outcome: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const give = () => reject(signal.reason);
    signal.addEventListener("abort", give);
    outcome.then(resolve, reject).finally(() => signal.removeEventListener("abort", give));
  });
}
