import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { KeysMessage, WorkQueue } from "../ports/queue.ts";
import type { Lane } from "../ports/rows.ts";
import type { Progress } from "../reconcile/batch.ts";
import { MAX_KEYS } from "../schedule/messages.ts";
import { type BudgetLimits, budgets } from "./budgets.ts";
import { earliest, emptyLine, type Line, type Obstacle, put, takeNext } from "./line.ts";

/** Keys that wait in this process, by lane, each once, until their time has come. */
export interface InProcessQueue extends WorkQueue<KeysMessage> {
  /** Whether this key is being worked on right now. */
  isBusy(lane: Lane, key: SyncKey): boolean;
  /** When the oldest key that waits should have started; undefined when none is late. */
  oldest(): EpochMs | undefined;
  /** Resolves when no key is ready and none is being worked on. Keys with a later time do not count. */
  idle(): Promise<void>;
  /** Nothing more is started; resolves when what is under way has ended. */
  stop(): Promise<void>;
}

export interface InProcessQueueOptions {
  readonly clock: Clock;
  /** Keys at work at once. */
  readonly limits: BudgetLimits;
  /** `progress` may be told of each key as soon as it is done: one that waits for a silent end must not keep its companions. */
  readonly handle: (message: KeysMessage, progress: Progress) => Promise<void>;
}

/** A timer of Node can't be longer than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** Who waits longer than this for a Vault that is known to answer is taken for waiting on a silent one. */
const PATIENCE_MS = SECOND_MS;

const LANES: readonly Lane[] = ["renew", "now", "refresh"];

function linesOfLanes(): Readonly<Record<Lane, Line>> {
  return { renew: emptyLine(), now: emptyLine(), refresh: emptyLine() };
}

/**
 * Durable it is not, and need not be: every key in it stands in the lease table as well, due or on the wheel. Keys that
 * are ready are dispatched together, so that those which share a Vault read do; namespaces take turns.
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

  /** As much as fits into one message. Budgets are charged as it is taken, so that the next part sees what is left. */
  const nextMessage = (lane: Lane, now: EpochMs): readonly SyncKey[] => {
    const keys: SyncKey[] = [];
    const obstacle: Obstacle = (place, count) => budget.obstacle(lane, place, count);
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
    // One time for all of it: what is not ready for the start must be ahead for the timer.
    const now = clock();
    if (!isStopped) for (const lane of LANES) start(lane, now);
    if (working === 0) {
      for (const resolve of idlers) resolve();
      idlers.clear();
    }
    clearTimeout(timer);
    // What is ready and has no room is started by who makes room.
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
    oldest() {
      const oldest = earliest(waiting());
      return oldest !== undefined && oldest <= clock() ? oldest : undefined;
    },
    stop() {
      isStopped = true;
      return idle();
    },
  };
}

/** Runs after this turn of the event loop, once, so that what comes one by one is dispatched together. */
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
  /** The work is over, for those of its keys as well that it told nothing of. */
  endAll(): void;
}

/** Follows the keys of one message: each ends once, and who waits for long steps aside. */
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
