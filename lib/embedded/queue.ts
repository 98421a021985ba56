import type { Clock, EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { Lane, WorkMessage, WorkQueue } from "../reconcile/ports.ts";
import { MAX_KEYS } from "../schedule/messages.ts";

/** Messages that wait in this process: keys by lane, each once, until their time has come. */
export interface InProcessQueue extends WorkQueue {
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
  /** Batches at work at once, for each lane (lease-table 15). */
  readonly concurrency: Readonly<Record<Lane, number>>;
  /** `ended` may be told of each key as soon as it is done: one that waits for a silent end must not keep its companions. */
  readonly handle: (message: WorkMessage, ended: (key: SyncKey) => void) => Promise<void>;
}

/** Keys that came together, and stay together: they may share a Vault read. */
interface Bundle {
  readonly keys: Set<SyncKey>;
  readonly at: EpochMs;
}

interface LaneState {
  /** In the order in which they came; a key stands in one bundle at most. */
  readonly bundles: Set<Bundle>;
  readonly byKey: Map<SyncKey, Bundle>;
  /** Being worked on: what is asked for them meanwhile waits until that ended. */
  readonly busy: Set<SyncKey>;
  working: number;
}

function emptyLane(): LaneState {
  return { bundles: new Set(), byKey: new Map(), busy: new Set(), working: 0 };
}

/** A timer of Node can't be longer than this. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Durable it is not, and need not be: every key in it stands in the lease table as well, due or on the wheel. Keys that
 * are ready are handed out together, so that those which share a Vault read do.
 */
export function inProcessQueue(options: InProcessQueueOptions): InProcessQueue {
  const { clock, concurrency, handle } = options;
  const lanes: Record<Lane, LaneState> = {
    now: emptyLane(),
    refresh: emptyLane(),
  };
  const idlers = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;

  const isIdle = (): boolean =>
    Object.values(lanes).every((lane) => lane.working === 0 && (isStopped || readyIn(lane, clock()).length === 0));

  const work = async (name: Lane, keys: readonly SyncKey[]): Promise<void> => {
    const lane = lanes[name];
    const underWay = new Set(keys);
    const ended = (key: SyncKey): void => {
      if (underWay.delete(key)) lane.busy.delete(key);
      if (lane.byKey.has(key)) setImmediate(pump);
    };
    lane.working++;
    try {
      await handle({ keys, lane: name, at: clock() }, ended);
    } finally {
      lane.working--;
      for (const key of underWay) lane.busy.delete(key);
      pump();
    }
  };

  function start(name: Lane): void {
    const lane = lanes[name];
    while (!isStopped && lane.working < concurrency[name]) {
      const bundles = readyIn(lane, clock());
      if (bundles.length === 0) return;
      void work(
        name,
        bundles.flatMap((bundle) => take(lane, bundle)),
      );
    }
  }

  function pump(): void {
    start("now");
    start("refresh");
    if (isIdle()) for (const resolve of idlers) resolve();
    clearTimeout(timer);
    const free = Object.entries(lanes).filter(([name, lane]) => lane.working < concurrency[name as Lane]);
    const next = isStopped ? undefined : earliest(free.map(([, lane]) => lane));
    timer = next === undefined ? undefined : setTimeout(pump, Math.min(Math.max(0, next - clock()), MAX_TIMER_MS));
  }

  const idle = (): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const done = (): void => {
      idlers.delete(done);
      resolve();
    };
    idlers.add(done);
    setImmediate(pump);
    return promise;
  };

  return {
    idle,
    isBusy: (lane, key) => lanes[lane].busy.has(key),
    async send(messages) {
      for (const { keys, lane, at } of messages) {
        put(lanes[lane], keys, at);
      }
      // After this turn of the event loop, so that what is sent one by one is handed out together.
      setImmediate(pump);
    },
    oldest() {
      const oldest = earliest(Object.values(lanes));
      return oldest !== undefined && oldest <= clock() ? oldest : undefined;
    },
    stop() {
      isStopped = true;
      return idle();
    },
  };
}

/** Each key once, at the earliest of the times that were asked for. */
function put(lane: LaneState, keys: readonly SyncKey[], at: EpochMs): void {
  const bundle: Bundle = { keys: new Set(), at };
  for (const key of keys) {
    const known = lane.byKey.get(key);
    if (known && known.at <= at) continue;
    known?.keys.delete(key);
    bundle.keys.add(key);
    lane.byKey.set(key, bundle);
  }
  if (bundle.keys.size > 0) lane.bundles.add(bundle);
}

/** Takes the keys that nobody works on. */
function take(lane: LaneState, bundle: Bundle): SyncKey[] {
  const taken = [...bundle.keys].filter((key) => !lane.busy.has(key));
  for (const key of taken) {
    bundle.keys.delete(key);
    lane.byKey.delete(key);
    lane.busy.add(key);
  }
  if (bundle.keys.size === 0) lane.bundles.delete(bundle);
  return taken;
}

/** Bundles whose time has come, whole, as many as a message takes. */
function readyIn(lane: LaneState, now: EpochMs): readonly Bundle[] {
  const ready: Bundle[] = [];
  let size = 0;
  for (const bundle of lane.bundles) {
    if (bundle.keys.size === 0) lane.bundles.delete(bundle);
    if (bundle.at > now) continue;
    const free = countFree(lane, bundle);
    if (free === 0) continue;
    if (size > 0 && size + free > MAX_KEYS) break;
    ready.push(bundle);
    size += free;
  }
  return ready;
}

function countFree(lane: LaneState, bundle: Bundle): number {
  let free = 0;
  for (const key of bundle.keys) if (!lane.busy.has(key)) free++;
  return free;
}

/** When the next key may be ready that is not being worked on: the end of that work asks again. */
function earliest(lanes: readonly LaneState[]): EpochMs | undefined {
  let first: EpochMs | undefined;
  for (const lane of lanes) {
    for (const bundle of lane.bundles) {
      const isSooner = first === undefined || bundle.at < first;
      if (isSooner && countFree(lane, bundle) > 0) first = bundle.at;
    }
  }
  return first;
}
