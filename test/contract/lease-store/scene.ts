import { type Clock, type EpochMs, SECOND_MS } from "../../../lib/clock.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { Ref } from "../../../lib/ports/refs.ts";
import {
  type Declared,
  EMPTY_STATE,
  type OwnedSecret,
  type Pushed,
  type RefreshSlot,
  type Row,
  type RowState,
} from "../../../lib/ports/rows.ts";
import type {
  Claimed,
  Lease,
  LeaseStore,
  PathTaken,
  Schedule,
  Settlement,
  SettleOutcome,
} from "../../../lib/ports/store.ts";
import { aDeclared } from "../../builders.ts";

/** Opens an empty store. */
export type OpenStore = (clock: Clock) => Promise<LeaseStore & AsyncDisposable>;

export const START: EpochMs = Date.UTC(2030, 0, 1);
export const LEASE_MS = 60 * SECOND_MS;
export const SLOT: RefreshSlot = { period: 51, phase: 7 };

/** What the only one of several at once has got, whichever it was: a store may take them in any order. */
export function oneOf<T>(claims: readonly (T | undefined)[]): T {
  const got = claims.filter((claim) => claim !== undefined);
  const [one] = got;
  if (one === undefined || got.length > 1) throw new Error(`${got.length} claims`);
  return one;
}

/** A store, a clock that tests move, and the steps that most tests take. */
export interface Scene extends AsyncDisposable {
  readonly store: LeaseStore;
  readonly clock: Clock;
  pass(ms: number): void;
  /** Rows written since this was asked last. */
  writes(): number;
  row(key: SyncKey): Promise<Row>;
  declare(overrides?: Partial<Declared>): Promise<Row>;
  claim(row: Row, owned?: readonly OwnedSecret[]): Promise<Lease>;
  claimed(row: Row): Promise<Claimed>;
  claimPush(row: Row, pushed: readonly Pushed[]): Promise<Claimed | PathTaken | undefined>;
  settle(lease: Lease, schedule: Schedule, state?: Partial<RowState>): Promise<SettleOutcome>;
  /** Declares, claims and settles: a row that succeeded a moment ago. */
  settled(
    schedule: Schedule,
    overrides?: Partial<Declared>,
    state?: Partial<RowState>,
    more?: Pick<Settlement, "renew" | "reached">,
  ): Promise<Row>;
  /** Entries of indexes written in tables or items of their own since this was asked last. */
  indexWrites(): number;
  referring(ref: Ref): Promise<readonly SyncKey[]>;
  /** Keys of the rows that read or push at this path of the Vault `main`. */
  readers(path?: string): Promise<readonly SyncKey[]>;
  /** Keys in the due index up to now (or `until`), as a tick asks for them now. */
  dueKeys(until?: EpochMs): Promise<readonly SyncKey[]>;
}

export async function aScene(open: OpenStore): Promise<Scene> {
  let now = START;
  const clock = () => now;
  const store = await open(clock);
  let written = 0;
  let indexWritten = 0;

  const row = async (key: SyncKey): Promise<Row> => {
    const found = (await store.read([key], "strong")).get(key);
    if (found === undefined) throw new Error(`no row: ${key}`);
    return found;
  };
  const declare = async (overrides: Partial<Declared> = {}): Promise<Row> => {
    const declared = aDeclared(overrides);
    await store.declare(declared, now);
    return row(declared.key);
  };
  const claim = async (read: Row, owned?: readonly OwnedSecret[]): Promise<Lease> => {
    const options = { now, until: now + LEASE_MS };
    const claimed = await store.claim(read, owned === undefined ? options : { ...options, owned });
    if (claimed === undefined) throw new Error(`not claimed: ${read.key}`);
    return claimed.lease;
  };
  const claimed = async (read: Row): Promise<Claimed> => {
    const taken = await store.claim(read, { now, until: now + LEASE_MS });
    if (taken === undefined) throw new Error(`not claimed: ${read.key}`);
    return taken;
  };
  const settle = (lease: Lease, schedule: Schedule, state: Partial<RowState> = {}): Promise<SettleOutcome> =>
    store.settle(lease, { state: { ...EMPTY_STATE, ...state }, schedule, now });

  return {
    store,
    clock,
    row,
    declare,
    claim,
    settle,
    pass: (ms) => {
      now += ms;
    },
    writes: () => {
      const before = written;
      written = store.counts().writes ?? 0;
      return written - before;
    },
    settled: async (schedule, overrides, state = {}, more = {}) => {
      const declared = await declare(overrides);
      // As a run does: what is pushed to was claimed before.
      const pushed = state.pushed ?? [];
      const taken = await (pushed.length > 0
        ? store.claimPush(declared, { now, until: now + LEASE_MS, pushed })
        : store.claim(declared, { now, until: now + LEASE_MS }));
      if (taken === undefined || !("lease" in taken)) throw new Error(`not claimed: ${declared.key}`);
      await store.settle(taken.lease, { state: { ...EMPTY_STATE, ...state }, schedule, ...more, now });
      return row(declared.key);
    },
    claimed,
    claimPush: (read, pushed) => store.claimPush(read, { now, until: now + LEASE_MS, pushed }),
    indexWrites: () => {
      const before = indexWritten;
      indexWritten = store.counts().indexWrites ?? 0;
      return indexWritten - before;
    },
    referring: async (ref) => (await store.byReference(ref)).items,
    readers: async (path = "kv/db") => (await store.byPlace("main", { path })).items.map(({ key }) => key),
    dueKeys: async (until = now) => (await store.due({ after: 0, until, now }, 1_000)).map(({ key }) => key),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
