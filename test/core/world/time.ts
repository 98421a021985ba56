import type { WithDeadline } from "../../../lib/clock.ts";

/** Time that only moves when a test says so. Timers of the world run in it, in one order: by time, then by when they were set. */
export interface WorldTime {
  now(): number;
  /** Runs `work` this much later. The answer cancels it. */
  after(ms: number, work: () => void): () => void;
  /** Resolves after this time; a signal ends the wait early and is no error. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Does this work with a signal that aborts after this time, of which nothing stays behind. */
  readonly withDeadline: WithDeadline;
  /** Work that really is asynchronous (the SQLite store): the clock stands still while it is under way. */
  tracked<T>(work: Promise<T>): Promise<T>;
  /** Resolves when nothing moves any more without the clock. */
  settled(): Promise<void>;
  /** Moves the clock, and runs what becomes due. */
  advance(ms: number): Promise<void>;
  /** Runs the next timer, if there is one before `until`; false when there is none. */
  step(until?: number): Promise<boolean>;
  /** Steps the wall clock without letting time pass: timers keep their distance. */
  stepClock(ms: number): void;
  /** Lets the clock run by itself, so many times as fast as a real one, until disposed: for suites that were written for real time. */
  flowing(speed: number): Disposable;
  /** How many timers ran so far. */
  steps(): number;
}

/** Of a clock that runs by itself: no more passes in one go than this, however long the machine was busy with others. */
const TURN_MS = 25;

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly work: () => void;
  isCancelled: boolean;
}

export function worldTime(start: number): WorldTime {
  // Time passes monotonically inside; the wall clock is that and an offset, which can be stepped.
  let inside = 0;
  let wall = start;
  let order = 0;
  let ran = 0;
  let underWay = 0;
  let wake: () => void = () => undefined;
  const timers: Timer[] = [];
  /** While the clock runs by itself: how far it has come, in whole milliseconds, as a real clock tells them. */
  let flow: () => number = () => inside;
  const catchUp = (): number => {
    inside = Math.max(inside, flow());
    return inside;
  };
  const now = (): number => wall + catchUp();

  const after = (ms: number, work: () => void): (() => void) => {
    const timer: Timer = { at: catchUp() + Math.max(0, ms), order: order++, work, isCancelled: false };
    push(timers, timer);
    wake();
    return () => {
      timer.isCancelled = true;
    };
  };
  const next = (): Timer | undefined => {
    for (;;) {
      const [first] = timers;
      if (first === undefined || !first.isCancelled) return first;
      pop(timers);
    }
  };
  const settled = async (): Promise<void> => {
    do await turn();
    while (underWay > 0);
  };
  const step = async (until = Number.POSITIVE_INFINITY): Promise<boolean> => {
    const timer = next();
    if (timer === undefined || timer.at > until) return false;
    pop(timers);
    inside = Math.max(inside, timer.at);
    ran++;
    timer.work();
    await settled();
    return true;
  };
  return {
    now,
    after,
    settled,
    steps: () => ran,
    step: (until) => step(until === undefined ? undefined : until - wall),
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const end = (): void => {
          cancel();
          signal?.removeEventListener("abort", end);
          resolve();
        };
        const cancel = after(ms, end);
        signal?.addEventListener("abort", end, { once: true });
      }),
    async withDeadline(ms, work) {
      const ending = new AbortController();
      const cancel = after(ms, () => ending.abort(new DOMException(`took longer than ${ms} ms`, "TimeoutError")));
      try {
        return await work(ending.signal);
      } finally {
        cancel();
      }
    },
    async tracked(work) {
      underWay++;
      try {
        return await work;
      } finally {
        underWay--;
      }
    },
    async advance(ms) {
      const until = inside + ms;
      await settled();
      while (await step(until));
      inside = until;
    },
    stepClock(ms) {
      wall += ms;
    },
    flowing(speed) {
      let isStopped = false;
      let [come, told, mostMs] = [inside, performance.now(), TURN_MS];
      flow = () => {
        const real = performance.now();
        come += Math.min(real - told, mostMs) * speed;
        told = real;
        return Math.floor(come);
      };
      void (async () => {
        while (!isStopped) {
          await settled();
          while (!isStopped && (await step(flow())));
          catchUp();
          await new Promise<void>((resolve) => {
            wake = resolve;
            const first = next();
            // Looks often, so that a wait for something far away is no long time for one look.
            const waitMs = first === undefined ? 0 : Math.min(TURN_MS, Math.max(0, first.at - inside) / speed);
            mostMs = waitMs + TURN_MS;
            if (first !== undefined) setTimeout(resolve, waitMs);
          });
          catchUp();
          mostMs = TURN_MS;
        }
      })();
      return {
        [Symbol.dispose]() {
          isStopped = true;
          flow = () => inside;
          wake();
        },
      };
    },
  };
}

/** One turn of the event loop: every promise that can go on has gone on, and immediates that were set before have run. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A binary heap: the simulation has many timers. */
function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const above = (at - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(timer, parent)) break;
    heap[at] = parent;
    at = above;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): Timer | undefined {
  const [first] = heap;
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    const right = left + 1;
    const [a, b] = [heap[left], heap[right]];
    if (a === undefined) break;
    const [child, below] = b !== undefined && isBefore(b, a) ? [b, right] : [a, left];
    if (!isBefore(child, last)) break;
    heap[at] = child;
    at = below;
  }
  heap[at] = last;
  return first;
}
