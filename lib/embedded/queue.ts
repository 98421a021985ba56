import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { KeysMessage, WorkQueue } from "../ports/queue.ts";
import type { Lane } from "../ports/rows.ts";
import type { Progress } from "../reconcile/batch.ts";
import { MAX_KEYS } from "../schedule/messages.ts";
import { type BudgetLimits, type Budgets, budgets } from "./budgets.ts";
import {
  earliest,
  emptyLine,
  type LacksRoom,
  type Line,
  type Obstacle,
  oldestWithoutRoom,
  put,
  takeNext,
} from "./line.ts";

/** Keys that wait in this process: by lane, each once, until their time. */
export interface InProcessQueue extends WorkQueue<KeysMessage> {
  /** Whether this key is at work. */
  isBusy(lane: Lane, key: SyncKey): boolean;
  /**
   * When the oldest key of this lane should have started that waits for room in the lane; undefined when none does. What
   * waits for its own namespace or cluster, perhaps for very long, says nothing about the others. `isAlone`: there is no
   * other cluster, so that a wait for this one counts as well.
   */
  oldest(lane: Lane, isAlone: boolean): EpochMs | undefined;
  /** Resolves when no key is ready or at work. Keys with a later time do not count. */
  idle(): Promise<void>;
  /** Starts nothing more; resolves when the running work has ended. */
  stop(): Promise<void>;
}

export interface InProcessQueueOptions {
  readonly clock: Clock;
  /** Keys at work at once. */
  readonly limits: BudgetLimits;
  /**
   * Reports each finished key through `progress`, so that a key that waits for a silent end does not delay its
   * companions.
   */
  readonly handle: (message: KeysMessage, progress: Progress) => Promise<void>;
}

/** The maximum of a Node timer. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A longer wait for a Vault that is known to answer counts as a wait for a silent one. */
const PATIENCE_MS = SECOND_MS;

const LANES: readonly Lane[] = ["renew", "now", "refresh"];

function linesOfLanes(): Readonly<Record<Lane, Line>> {
  return { renew: emptyLine(), now: emptyLine(), refresh: emptyLine() };
}

/**
 * Not durable, because every key in it is also in the lease table, due or on the wheel. Dispatches ready keys together,
 * so that they share Vault reads; namespaces alternate.
 */
export function inProcessQueue(options: InProcessQueueOptions): InProcessQueue {
  const { clock, handle } = options;
  const lines = linesOfLanes();
  const budget = budgets(options.limits);
  const idlers = new Set<() => void>();
  let working = 0;
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const pumpSoon = onceATurn(() => pump());
  const waiting = (): readonly Line[] => LANES.map((lane) => lines[lane]);

  const work = async (lane: Lane, keys: readonly SyncKey[]): Promise<void> => {
    const progress = followed(keys, {
      stepAside: (key) => budget.stepAside(lane, key),
      goOn: (key) => budget.goOn(lane, key),
      end(key) {
        lines[lane].busy.delete(key);
        budget.end(lane, key);
      },
      madeRoom: pumpSoon,
    });
    working++;
    try {
      await handle({ kind: "keys", keys, lane, at: clock() }, progress);
    } finally {
      working--;
      progress.endAll();
      pumpSoon();
    }
  };

  const obstacleIn =
    (lane: Lane): Obstacle =>
    (place, count) =>
      budget.obstacle(lane, place, count);

  /** The keys of one message. Taking them charges the budgets, so that the next message sees what remains. */
  const nextMessage = (lane: Lane, now: EpochMs): readonly SyncKey[] => {
    const keys: SyncKey[] = [];
    const obstacle = obstacleIn(lane);
    for (;;) {
      const more = takeNext(lines[lane], { now, most: MAX_KEYS - keys.length, obstacle });
      if (more.length === 0) return keys;
      for (const key of more) budget.start(lane, key);
      keys.push(...more);
    }
  };

  const start = (lane: Lane, now: EpochMs): void => {
    for (let keys = nextMessage(lane, now); keys.length > 0; keys = nextMessage(lane, now)) void work(lane, keys);
  };

  function pump(): void {
    // The same time for both: a key that is not ready to start must be in the timer's future.
    const now = clock();
    if (!isStopped) for (const lane of LANES) start(lane, now);
    if (working === 0) {
      for (const resolve of idlers) resolve();
      idlers.clear();
    }
    clearTimeout(timer);
    // Keys that are ready but lack room start when other work ends.
    const next = isStopped ? undefined : earliest(waiting(), now);
    timer = next === undefined ? undefined : setTimeout(pump, Math.min(next - now, MAX_TIMER_MS));
  }

  const idle = (): Promise<void> =>
    new Promise((resolve) => {
      idlers.add(resolve);
      pumpSoon();
    });

  return {
    idle,
    isBusy: (lane, key) => lines[lane].busy.has(key),
    async send(messages) {
      for (const { keys, lane, at } of messages) put(lines[lane], keys, at);
      pumpSoon();
    },
    oldest: (lane, isAlone) => oldestWithoutRoom(lines[lane], clock(), lacksRoom(budget, lane, isAlone)),
    stop() {
      isStopped = true;
      return idle();
    },
  };
}

function lacksRoom(budget: Budgets, lane: Lane, isAlone: boolean): LacksRoom {
  return (place, count) => {
    const obstacle = budget.obstacle(lane, place, count);
    return obstacle === "lane" || (obstacle === "cluster" && (isAlone || budget.isFull(lane, count)));
  };
}

/**
 * Runs the work once after this turn of the event loop, so that keys that arrive one by one are dispatched together.
 */
function onceATurn(work: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    setImmediate(() => {
      isAsked = false;
      work();
    });
  };
}

interface Followed extends Progress {
  /** The work is over, also for keys that it did not report. */
  endAll(): void;
}

/** Tracks the keys of one message: each ends once, and steps aside after a long wait. */
function followed(
  keys: readonly SyncKey[],
  told: {
    readonly stepAside: (key: SyncKey) => void;
    readonly goOn: (key: SyncKey) => void;
    readonly end: (key: SyncKey) => void;
    readonly madeRoom: () => void;
  },
): Followed {
  const underWay = new Set(keys);
  const patience = new Map<SyncKey, NodeJS.Timeout>();
  const stepAside = (key: SyncKey): void => {
    told.stepAside(key);
    told.madeRoom();
  };
  const noWait = (key: SyncKey): void => {
    clearTimeout(patience.get(key));
    patience.delete(key);
  };
  const onKeyDone = (key: SyncKey): void => {
    if (!underWay.delete(key)) return;
    noWait(key);
    told.end(key);
    told.madeRoom();
  };
  return {
    onKeyDone,
    waits(key, isKnown) {
      if (!underWay.has(key)) return;
      if (isKnown) patience.set(key, setTimeout(stepAside, PATIENCE_MS, key).unref());
      else stepAside(key);
    },
    goesOn(key) {
      noWait(key);
      if (underWay.has(key)) told.goOn(key);
    },
    endAll() {
      for (const key of [...underWay]) onKeyDone(key);
    },
  };
}
