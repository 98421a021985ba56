import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Clock, MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { embeddedEngine } from "../../../lib/embedded/engine.ts";
import { partsOf, type SyncKey } from "../../../lib/keys.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { LeaseStore, Schedule } from "../../../lib/ports/store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared } from "../../builders.ts";
import { waitFor } from "../../harness/index.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);
const keyOf = (place: string, name: string): SyncKey =>
  `${place.replace("/", "/VaultStaticSecret/")}/${name}` as SyncKey;
const HEALTHY = keyOf("good/shop", "db");

/** On the refresh wheel, every 4 s. */
async function onWheel(store: LeaseStore, key: SyncKey): Promise<void> {
  await settled(store, key, { kind: "wheel", slot: { period: 4, phase: 0 } });
}

async function settled(store: LeaseStore, key: SyncKey, schedule: Schedule): Promise<void> {
  await store.declare(aDeclared({ key }), START);
  const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
  const { lease } = (await store.claim(row, { now: START, until: START + MINUTE_MS })) ?? assert.fail();
  const state = { refs: [], owned: [], attempts: 0 };
  await store.settle(lease, { state, schedule, now: START });
}

/** Tells which rows are read, before they are. */
function seeing(store: LeaseStore, read: SyncKey[], before: (keys: readonly SyncKey[]) => unknown = () => undefined) {
  const seen: LeaseStore = {
    ...store,
    async read(keys, consistency) {
      read.push(...keys);
      await before(keys);
      return store.read(keys, consistency);
    },
  };
  return seen;
}

/** No cluster and no Vault: runs end after they read their row. */
function depsOf(leases: LeaseStore, clock: Clock): ReconcileDeps {
  return {
    ...{ leases, clock, log: QUIET, random: () => 0, fleet: () => undefined, vault: {} },
    metrics: { ran: () => undefined, count: () => undefined, observe: () => undefined },
  } as unknown as ReconcileDeps;
}

const engineOf = (deps: ReconcileDeps) =>
  embeddedEngine({ deps, clusters: [], acceptMissing: new Set(), isIncomplete: true, tickMs: 5 });

describe("the embedded engine", () => {
  it("lease-table 13: refreshes what it can while more syncs of one namespace than are worked on at once wait for a silent end", async () => {
    let now = START;
    await using store = openSqliteStore({ path: ":memory:" });
    await onWheel(store, HEALTHY);
    for (let n = 0; n < 150; n++) await store.declare(aDeclared({ key: keyOf("bad/slow", `s${n}`) }), START);
    const silence = Promise.withResolvers<void>();
    const read: SyncKey[] = [];
    const waits = (keys: readonly SyncKey[]) =>
      keys.some((key) => partsOf(key).namespace === "slow") ? silence.promise : undefined;
    const stop = new AbortController();
    const engine = engineOf(depsOf(seeing(store, read, waits), () => now));
    const running = engine.run(stop.signal);
    const refreshes = () => read.filter((key) => key === HEALTHY).length;
    try {
      await waitFor("all that is worked on at once", async () => read.length - refreshes() === 100 || undefined);
      now += 2 * MINUTE_MS;
      const before = refreshes();
      await waitFor("refreshes of another namespace", async () => {
        now += SECOND_MS;
        return refreshes() >= before + 3 || undefined;
      });
    } finally {
      stop.abort();
      silence.resolve();
      await running;
    }
  });

  describe("in one pass", () => {
    interface During {
      readonly pass: (ms: number) => void;
      readonly stop: () => void;
    }

    /** What was slept, and which syncs were read, in a pass that starts 200 ms after a sync ran. */
    async function passAfter(
      prepare: (store: LeaseStore) => Promise<unknown>,
      { onRead, onSleep }: { onRead?: (during: During) => void; onSleep?: (during: During) => void } = {},
    ) {
      let now = START;
      await using store = openSqliteStore({ path: ":memory:" });
      await onWheel(store, HEALTHY);
      await prepare(store);
      now += 200;
      const slept: number[] = [];
      const read: SyncKey[] = [];
      const stop = new AbortController();
      const during: During = {
        pass(ms) {
          now += ms;
        },
        stop: () => stop.abort(),
      };
      const sleep = async (ms: number) => {
        slept.push(ms);
        now += ms;
        onSleep?.(during);
      };
      const leases = seeing(store, read, () => onRead?.(during));
      await engineOf({ ...depsOf(leases, () => now), sleep }).once(stop.signal);
      return { slept, read };
    }

    const askedFor = (store: LeaseStore) => store.nudge(HEALTHY, { now: START + 100, verify: true });

    it("lease-table 9: waits for a sync that was asked for just after it ran", async () => {
      const { slept, read } = await passAfter(askedFor);
      assert.deepEqual(slept, [1_801]);
      assert.deepEqual(read, [HEALTHY, HEALTHY], "to see that it was asked for, and to run it");
    });

    it("lease-table 9: waits for the last of several", async () => {
      const sooner = keyOf("good/shop", "sooner");
      const { slept, read } = await passAfter(async (store) => {
        await askedFor(store);
        await onWheel(store, sooner);
        await store.nudge(sooner, { now: START + 100, verify: true, gapMs: SECOND_MS });
      });
      assert.deepEqual(slept, [1_801]);
      assert.deepEqual(Map.groupBy(read, (key) => key).get(sooner)?.length, 2);
    });

    it("lease-table 9: runs it also when its time comes while other work is under way", async () => {
      const due = keyOf("good/shop", "due");
      const other = async (store: LeaseStore) => {
        await askedFor(store);
        await settled(store, due, { kind: "due", at: START + 100 });
      };
      const { read } = await passAfter(other, { onRead: ({ pass }) => pass(2 * SECOND_MS) });
      assert.equal(read.filter((key) => key === HEALTHY).length, 2);
    });

    it("starts nothing more when it is stopped while it waits", async () => {
      const { slept, read } = await passAfter(askedFor, { onSleep: ({ stop }) => stop() });
      assert.deepEqual(slept, [1_801]);
      assert.deepEqual(read, [HEALTHY]);
    });

    it("waits for no retry and no slot", async () => {
      const failed = keyOf("good/shop", "failed");
      const { slept, read } = await passAfter(async (store) => {
        await settled(store, failed, { kind: "due", at: START + SECOND_MS });
      });
      assert.deepEqual(slept, []);
      assert.deepEqual(read, [failed], "to see that it was not asked for");
    });
  });
});
