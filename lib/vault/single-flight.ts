/** Runs one piece of work per key at a time and shares it with all concurrent callers. */
export interface SingleFlight<T> {
  /** A caller's signal ends only its own wait. The last caller to leave aborts the work. */
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
    // Otherwise the next caller would join work that is about to fail.
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
