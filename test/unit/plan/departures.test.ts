import assert from "node:assert/strict";
import { it } from "node:test";
import type { SyncKey } from "../../../lib/keys.ts";
import { departures } from "../../../lib/plan/departures.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const [EAST, WEST] = [aCluster(), aCluster({ name: "west" })];
const line = () => undefined;
const around = { clock: () => NOW, log: { debug: line, info: line, warn: line, error: line } };

async function table(...keys: readonly SyncKey[]) {
  const store = simulatedSqliteStore(undefined);
  for (const name of ["east", "west"]) {
    const row = (await store.claimCluster(name, { now: NOW, until: NOW + 1 })) ?? assert.fail();
    await store.saveCluster(row, row.state, { dueAt: NOW });
  }
  for (const key of keys) await store.declare(aDeclared({ key }), NOW);
  return store;
}

it("a plan shows a cluster as released that moves to a hub which was read before, once", async () => {
  await using store = await table(aKey("db", "east"), aKey("db", "west"));
  const [stored, read] = [
    { clusters: [WEST], unread: [] },
    { clusters: [WEST, EAST], unread: [] },
  ];
  const { clusters, syncs } = await departures(store, [stored, read], around);
  assert.deepEqual(clusters, ["east"]);
  assert.deepEqual(
    syncs.map(({ key, because }) => [key, because]),
    [[aKey("db", "east"), "its cluster left fleet.yaml: keyferry forgets it, and its Secrets stay"]],
  );
  assert.deepEqual(await store.byCluster("east"), []);
  assert.equal((await store.byCluster("west")).length, 1);
});

it("a plan shows no cluster as released that moves to a hub with a new name, and one that no hub has any more", async () => {
  await using store = await table();
  const stored = { clusters: [], unread: [{ name: "platform" }] };
  const moved = await departures(store, [stored, { clusters: [WEST, EAST], unread: [] }], around);
  assert.deepEqual(moved, { clusters: [], syncs: [] });
  const gone = await departures(store, [stored, { clusters: [EAST], unread: [] }], around);
  assert.deepEqual(gone.clusters, ["west"]);
});
