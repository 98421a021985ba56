/** A place in the queue that was reached. */
export interface SlotGrant {
  /** The work only waits from now on: others may work meanwhile. Its place still counts it. */
  stepAside(): void;
}

/** Turns that those who ask share: first come first served within a place, and the places in turn. */
export interface Slots {
  /** Waiting here costs nothing of a request's own time-out. `place` is whose work it is. */
  run<T>(place: string, work: (turn: SlotGrant) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Whoever waits now fails with this; who comes later waits as usual. */
  refuse(error: Error): void;
  /** Nobody works or waits. */
  isIdle(): boolean;
}

export interface SlotLimits {
  /** At work at once. */
  readonly atOnce: number;
  /** Of one place, those that stepped aside included: what one place asks for leaves room for the others. */
  readonly ofPlace: number;
  /** Of all places, those that stepped aside included. From there on nobody steps aside. */
  readonly inAll: number;
}

interface Waiter {
  readonly start: () => void;
  readonly fail: (error: unknown) => void;
}

/** Who has how many turns. */
function account({ atOnce, ofPlace, inAll }: SlotLimits) {
  let atWork = 0;
  let taken = 0;
  const takenBy = new Map<string, number>();
  return {
    isIdle: () => taken === 0,
    hasRoom: (place: string): boolean => atWork < atOnce && (takenBy.get(place) ?? 0) < ofPlace,
    take(place: string): void {
      atWork += 1;
      taken += 1;
      takenBy.set(place, (takenBy.get(place) ?? 0) + 1);
    },
    /** False: too many did already. */
    stepAside(): boolean {
      if (taken >= inAll) return false;
      atWork -= 1;
      return true;
    },
    release(place: string, isAside: boolean): void {
      if (!isAside) atWork -= 1;
      taken -= 1;
      const left = (takenBy.get(place) ?? 1) - 1;
      if (left === 0) takenBy.delete(place);
      else takenBy.set(place, left);
    },
  };
}

export function slots(limits: SlotLimits): Slots {
  const turns = account(limits);
  const waiting = new Map<string, Set<Waiter>>();
  const leaveQueue = (place: string, waiter: Waiter): void => {
    const queue = waiting.get(place);
    queue?.delete(waiter);
    if (queue?.size === 0) waiting.delete(place);
  };
  /** The slot is taken here, for whoever starts, so that nobody who comes later gets ahead. */
  const startNext = (): boolean => {
    for (const [place, queue] of waiting) {
      const [first] = queue;
      if (first === undefined || !turns.hasRoom(place)) continue;
      leaveQueue(place, first);
      // To the end of the line of places.
      if (waiting.delete(place)) waiting.set(place, queue);
      turns.take(place);
      first.start();
      return true;
    }
    return false;
  };
  const startWhatCan = (): void => {
    while (startNext());
  };
  return {
    async run(place, work, signal) {
      signal.throwIfAborted();
      if (turns.hasRoom(place)) turns.take(place);
      else
        await inLine(
          signal,
          (waiter) => waiting.set(place, (waiting.get(place) ?? new Set()).add(waiter)),
          (waiter) => leaveQueue(place, waiter),
        );
      let isAside = false;
      let isOver = false;
      const stepAside = (): void => {
        // A late timer must not free what is free.
        if (isOver || isAside || !turns.stepAside()) return;
        isAside = true;
        startWhatCan();
      };
      try {
        return await work({ stepAside });
      } finally {
        isOver = true;
        turns.release(place, isAside);
        startWhatCan();
      }
    },
    isIdle: () => turns.isIdle() && waiting.size === 0,
    refuse(error) {
      const refused = [...waiting.values()].flatMap((queue) => [...queue]);
      waiting.clear();
      for (const { fail } of refused) fail(error);
    },
  };
}

/** Waits until somebody starts it, refuses it, or the signal ends it. */
function inLine(signal: AbortSignal, join: (waiter: Waiter) => void, leave: (waiter: Waiter) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      leave(waiter);
      reject(signal.reason);
    };
    const waiter: Waiter = {
      start() {
        signal.removeEventListener("abort", giveUp);
        resolve();
      },
      fail(error) {
        signal.removeEventListener("abort", giveUp);
        reject(error);
      },
    };
    signal.addEventListener("abort", giveUp, { once: true });
    join(waiter);
  });
}
