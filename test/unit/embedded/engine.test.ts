import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS, SECOND_MS } from "../../../lib/clock.ts";
import { embeddedEngine } from "../../../lib/embedded/engine.ts";
import { partsOf, type SyncKey } from "../../../lib/keys.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
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
  await store.declare(aDeclared({ key }), START);
  const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
  const { lease } = (await store.claim(row, { now: START, until: START + MINUTE_MS })) ?? assert.fail();
  const state = { refs: [], owned: [], attempts: 0 };
  await store.settle(lease, { state, schedule: { kind: "wheel", slot: { period: 4, phase: 0 } }, now: START });
}

describe("the embedded engine", () => {
  it("lease-table 13: refreshes what it can while more syncs of one namespace than are worked on at once wait for a silent end", async () => {
    let now = START;
    await using store = openSqliteStore({ path: ":memory:" });
    await onWheel(store, HEALTHY);
    for (let n = 0; n < 150; n++) await store.declare(aDeclared({ key: keyOf("bad/slow", `s${n}`) }), START);
    const silence = Promise.withResolvers<void>();
    const read: SyncKey[] = [];
    const leases: LeaseStore = {
      ...store,
      async read(keys, consistency) {
        read.push(...keys);
        if (keys.some((key) => partsOf(key).namespace === "slow")) await silence.promise;
        return store.read(keys, consistency);
      },
    };
    const deps = {
      ...{ leases, clock: () => now, log: QUIET, random: () => 0, fleet: () => undefined, vault: {} },
      metrics: { ran: () => undefined, count: () => undefined, observe: () => undefined },
    } as unknown as ReconcileDeps;
    const stop = new AbortController();
    const engine = embeddedEngine({ deps, clusters: [], acceptMissing: new Set(), isIncomplete: true, tickMs: 5 });
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
});
