import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS } from "../../../lib/clock.ts";
import { copyTable } from "../../../lib/plan/copied-table.ts";
import { EMPTY_STATE, type Row } from "../../../lib/ports/rows.ts";
import type { Schedule } from "../../../lib/ports/store.ts";
import { type SqliteStore, simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey, anIssue, aReference } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);

async function settled(store: SqliteStore, name: string, schedule: Schedule): Promise<void> {
  const key = aKey(name);
  await store.declare(aDeclared({ key }), NOW);
  const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
  const { lease } = (await store.claim(row, { now: NOW, until: NOW + MINUTE_MS })) ?? assert.fail();
  const owned = [{ name, uid: "u", resourceVersion: "7" }];
  const state = { ...EMPTY_STATE, owned, appliedHash: "h", digest: "k:d", issues: [anIssue()] };
  await store.settle(lease, { state, schedule, now: NOW });
}

const told = ({ key, declared, state, wheel, dueAt, leaseUntil }: Row) => ({
  ...{ key, declared, state, wheel, dueAt, leaseUntil },
});

describe("the copy of a lease table", () => {
  it("has its rows, references, clusters and circuits, and no lease", async () => {
    await using from = simulatedSqliteStore(undefined);
    await using to = simulatedSqliteStore(undefined);
    const cluster = (await from.claimCluster("east", { now: NOW, until: NOW + 1 })) ?? assert.fail();
    const state = { uid: "u", attempts: 0, cursors: {} };
    await from.saveCluster(cluster, state, { dueAt: NOW });
    await settled(from, "wheel", { kind: "wheel", slot: { period: 51, phase: 7 } });
    await settled(from, "due", { kind: "due", at: NOW + 9 });
    await settled(from, "parked", { kind: "parked" });
    await settled(from, "left", { kind: "parked" });
    await from.tombstone(aKey("left"), aDeclared({ key: aKey("left") }).uid, NOW);
    await from.putReference(aReference());
    const circuit = { id: "cluster:east", code: "KUBE_UNREACHABLE", message: "m", since: NOW, attempts: 1 } as const;
    await from.openCircuit({ ...circuit, fence: 1, probeAt: NOW });
    const rowsOf = async (store: SqliteStore) => {
      const keys = (await store.byCluster("east")).map(({ key }) => key);
      return [...(await store.read(keys, "strong")).values()].map(told).sort((a, b) => (a.key < b.key ? -1 : 1));
    };
    const before = await rowsOf(from);
    await copyTable(from, to, NOW);
    assert.deepEqual(await rowsOf(to), before);
    assert.equal(before.length, 4);
    assert.deepEqual(await rowsOf(from), before, "the original is as it was");
    assert.deepEqual(await to.referencesOf("east"), await from.referencesOf("east"));
    assert.deepEqual(await to.circuits(), await from.circuits());
    assert.deepEqual((await to.cluster("east"))?.state, state);
  });

  it("has the hubs and what is known of them", async () => {
    await using from = simulatedSqliteStore(undefined);
    await using to = simulatedSqliteStore(undefined);
    const hub = (await from.claimHub("hub", { now: NOW, until: NOW + 1 })) ?? assert.fail();
    const state = { members: [], readAs: "sa" } as unknown as NonNullable<Parameters<typeof from.saveHub>[1]>;
    await from.saveHub(hub, state, NOW);
    await copyTable(from, to, NOW);
    assert.deepEqual(
      (await to.hubs()).map(({ name }) => name),
      ["hub"],
    );
    assert.deepEqual((await to.hubState("hub"))?.state, (await from.hubState("hub"))?.state);
    assert.notEqual((await to.hubState("hub"))?.state, undefined);
  });

  it("has what a table has that its copy has already", async () => {
    await using from = simulatedSqliteStore(undefined);
    await using to = simulatedSqliteStore(undefined);
    const until = NOW + MINUTE_MS;
    for (const store of [from, to]) {
      await store.claimCluster("east", { now: NOW, until });
      await store.claimHub("hub", { now: NOW, until });
    }
    await copyTable(from, to, NOW);
    assert.deepEqual(
      (await to.hubs()).map(({ name }) => name),
      ["hub"],
    );
  });

  it("has a row that a worker has in hand as due", async () => {
    await using from = simulatedSqliteStore(undefined);
    await using to = simulatedSqliteStore(undefined);
    await from.claimCluster("east", { now: NOW, until: NOW + 1 });
    await from.declare(aDeclared(), NOW);
    const row = (await from.read([aKey()], "strong")).get(aKey()) ?? assert.fail();
    await from.claim(row, { now: NOW, until: NOW + MINUTE_MS });
    await copyTable(from, to, NOW);
    const copied = (await to.read([aKey()], "strong")).get(aKey());
    assert.deepEqual([copied?.leaseUntil, copied?.dueAt], [undefined, NOW]);
  });
});
