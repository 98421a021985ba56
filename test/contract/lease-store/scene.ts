import type { Clock, EpochMs } from "../../../lib/clock.ts";
import { SECOND_MS } from "../../../lib/clock.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { Declared, OwnedSecret, RefreshSlot, Row, RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Lease, LeaseStore, Schedule, SettleOutcome } from "../../../lib/ports/store.ts";
import { aDeclared } from "../../builders.ts";

/** Opens an empty store. */
export type OpenStore = (clock: Clock) => Promise<LeaseStore & AsyncDisposable>;

export const START: EpochMs = Date.UTC(2030, 0, 1);
export const LEASE_MS = 60 * SECOND_MS;
export const SLOT: RefreshSlot = { period: 51, phase: 7 };

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
  settle(lease: Lease, schedule: Schedule, state?: Partial<RowState>): Promise<SettleOutcome>;
  /** Declares, claims and settles: a row that succeeded a moment ago. */
  settled(schedule: Schedule, overrides?: Partial<Declared>, state?: Partial<RowState>): Promise<Row>;
  /** Keys in the due index up to now (or `until`), as a tick asks for them now. */
  dueKeys(until?: EpochMs): Promise<readonly SyncKey[]>;
}

export async function aScene(open: OpenStore): Promise<Scene> {
  let now = START;
  const clock = () => now;
  const store = await open(clock);
  let written = 0;

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
    settled: async (schedule, overrides, state) => {
      const declared = await declare(overrides);
      await settle(await claim(declared), schedule, state);
      return row(declared.key);
    },
    dueKeys: async (until = now) => (await store.due({ after: 0, until, now }, 1_000)).map(({ key }) => key),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
