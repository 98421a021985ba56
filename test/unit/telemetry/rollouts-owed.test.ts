import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Registry } from "prom-client";
import { syncView } from "../../../cli/status-view.ts";
import { EMPTY_STATE, type OwedRollout, type RowState } from "../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { thatOweRestarts } from "../../../lib/rollout/owed.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { rolloutsOwed } from "../../../lib/telemetry/rollouts-owed.ts";
import { aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const MESSAGE = "TARGET_MISSING: there is no Deployment nowhere in this namespace";
const WHEEL = { kind: "wheel", slot: { period: 50, phase: 1 } } as const;

const owed = (attempts: number): OwedRollout => ({ digest: "k:d", since: NOW, at: NOW + 10_000, attempts });

async function settled(store: LeaseStore, name: string, rollout: OwedRollout | undefined, now = NOW): Promise<void> {
  const key = aKey(name);
  await store.declare(aDeclared({ key }), now);
  const row = (await store.read([key], "strong")).get(key);
  assert.ok(row);
  const claimed = await store.claim(row, { now, until: now + 90_000 });
  assert.ok(claimed);
  const conditions = [
    { type: "Ready", status: "True", message: "of another condition" },
    { type: "RolloutRestart", status: "False", message: MESSAGE },
  ];
  const seen = { resourceVersion: "1", hash: "h", status: { conditions } };
  const state: RowState = { ...EMPTY_STATE, syncedAt: now, seen, ...(rollout === undefined ? {} : { rollout }) };
  const schedule = rollout === undefined ? WHEEL : { ...WHEEL, dueAt: rollout.at };
  assert.equal(await store.settle(claimed.lease, { state, schedule, now }), "settled");
}

describe("restarts that are owed are seen", () => {
  it("in what status shows: owed, then failed with its reason", async () => {
    await using store = simulatedSqliteStore(undefined);
    await settled(store, "in-step", undefined);
    await settled(store, "gathers", owed(0));
    await settled(store, "fails", owed(3));
    const rows = await store.byCluster("east");
    const owing = await thatOweRestarts(store, rows);
    const views = rows.map((row) => syncView(row, { cluster: undefined, circuits: [] }, NOW, owing.get(row.key)));
    assert.deepEqual(
      views.map(({ key, state, rollout }) => [key.split("/").at(-1), state, rollout?.attempts, rollout?.message]),
      [
        ["fails", "restart-failed", 3, MESSAGE],
        ["gathers", "restart-owed", 0, undefined],
        ["in-step", "synced", undefined, undefined],
      ],
    );
  });

  it("as a gauge, from the start of a process and with each settle", async () => {
    await using plain = simulatedSqliteStore(undefined);
    await settled(plain, "before", owed(2));
    const registry = new Registry();
    const gauge = rolloutsOwed(registry);
    const readings = async () => {
      const lines = (await registry.metrics()).split("\n").filter((line) => line.startsWith("keyferry_rollouts_owed"));
      return lines.map((line) => line.slice("keyferry_rollouts_owed".length)).sort();
    };
    assert.deepEqual(await readings(), []);
    gauge.remember(await thatOweRestarts(plain, await plain.byCluster("east")));
    const store = gauge.seeing(plain);
    await settled(store, "gathers", owed(0));
    const [failed, waiting] = ["failed", "waiting"].map((state) => `{cluster="east",state="${state}"} 1`);
    assert.deepEqual(await readings(), [failed, waiting]);
    await settled(store, "gathers", owed(1), NOW + 20_000);
    assert.deepEqual(await readings(), [`{cluster="east",state="failed"} 2`]);
    await settled(store, "gathers", undefined, NOW + 40_000);
    assert.deepEqual(await readings(), [failed]);
    await store.tombstone(aKey("before"), `uid-of-${aKey("before")}`, NOW);
    assert.deepEqual(await readings(), []);
    await settled(store, "released", owed(1));
    await store.release(aKey("released"));
    assert.deepEqual(await readings(), []);
  });
});
