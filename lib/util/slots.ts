/** A slot, while its work runs. */
export interface SlotGrant {
  /** The work only waits from now on, so another may start. It still counts for its place. */
  stepAside(): void;
}

/** Slots for concurrent work: first come, first served within a place, and the places alternate. */
export interface Slots {
  /** Waiting here does not count against a request's own time-out. `place` says whose work it is. */
  run<T>(place: string, work: (turn: SlotGrant) => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Fails all waiting work with this error; later work waits as usual. */
  refuse(error: Error): void;
  /** No work runs or waits. */
  isIdle(): boolean;
}

export interface SlotLimits {
  /** Running at once. */
  readonly atOnce: number;
  /** For one place, work that stepped aside included, so that it leaves room for others. */
  readonly ofPlace: number;
  /** For all places, work that stepped aside included. At this limit no work can step aside. */
  readonly inAll: number;
}

interface Waiter {
  readonly start: () => void;
  readonly fail: (error: unknown) => void;
}

/** Counts the slots in use. */
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
    /** False: the limit is reached. */
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
  /** Takes the slot before the work starts, so that later work can't get ahead. */
  const startNext = (): boolean => {
    for (const [place, queue] of waiting) {
      const [first] = queue;
      if (first === undefined || !turns.hasRoom(place)) continue;
      leaveQueue(place, first);
      // Moves the place to the end of the line.
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
        // A late timer must not free a slot twice.
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

/** Waits until the work is started or refused, or the signal aborts. */
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
