import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../lib/discovery/deps.ts";
import { takeReference } from "../../lib/discovery/references.ts";
import { bytesOf, LIMITS, type Limits, rowBudget } from "../../lib/discovery/row-budget.ts";
import { type SyncKey, syncKey } from "../../lib/keys.ts";
import { VAULT_CONNECTION } from "../../lib/resource-kinds.ts";
import { openSqliteStore, type SqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared } from "../builders.ts";
import { aSeen } from "../unit/discovery/a-seen.ts";

const NOW = Date.UTC(2030, 0, 1);
const SMALL: Limits = {
  namespace: { rows: 10, bytes: 100_000 },
  cluster: { rows: 15, bytes: 150_000 },
};

const keyOf = (namespace: string, name: string | number): SyncKey =>
  syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace, name: `db-${name}` });

/** Offers declarations to a budget over a real table, as discovery does. */
function scene(store: SqliteStore, before?: { rows: number; bytes: number }, limits = SMALL) {
  const budget = rowBudget({ leases: store }, "east", before, limits);
  return {
    budget,
    async offer(key: SyncKey, filler = ""): Promise<boolean> {
      const declared = aDeclared({ key, hash: `${key}${filler.length}`, spec: { filler } });
      const bytes = bytesOf(declared);
      if (!(await budget.hasRoom(key, bytes))) return false;
      if (await store.declare(declared, NOW)) budget.took(key, bytes);
      return true;
    },
  };
}

describe("how much of a cluster is kept", () => {
  it("is so many objects of a namespace, and its neighbours have room", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { budget, offer } = scene(store);
    const taken: boolean[] = [];
    for (let name = 0; name < 13; name++) taken.push(await offer(keyOf("flooded", name)));
    assert.deepEqual(taken.lastIndexOf(true), 9);
    assert.equal(await offer(keyOf("neighbour", 0)), true);
    assert.equal(budget.problem()?.code, "CLUSTER_TOO_LARGE");
    assert.match(budget.problem()?.message ?? "", /3 of namespace flooded are ignored/);
    assert.deepEqual((await store.byCluster("east")).length, 11);
  });

  it("is so many references, too, those that arrive in this pass among them", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { budget } = scene(store);
    const deps = { leases: store, clock: () => NOW } as unknown as DiscoveryDeps;
    const context = { settings: aCluster(), budget };
    const take = async (name: string, spec = {}) =>
      takeReference(deps, context, VAULT_CONNECTION, aSeen({ name, spec }), new AbortController().signal);
    for (let n = 0; n < 12; n++) await take(`v-${n}`, { address: "https://vault.test" });
    assert.equal((await store.referencesOf("east")).length, 10);
    for (const address of ["https://a.test", "https://b.test"]) await take("v-0", { address });
    assert.equal(budget.kept().rows, 10, "the same one again is none more");
  });

  it("is counted once for all that arrive together", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { offer } = scene(store, { rows: 5, bytes: 0 });
    await Promise.all([1, 2, 3].map((name) => offer(keyOf("a", name))));
    assert.equal(store.counts().byCluster, 1);
  });

  it("names the namespaces that have no room in the same order every time, five at most", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const none = { namespace: { rows: 0, bytes: 0 }, cluster: { rows: 0, bytes: 0 } };
    const { budget, offer } = scene(store, undefined, none);
    for (const namespace of ["f", "b", "d", "a", "e", "c", "b"]) await offer(keyOf(namespace, 1));
    const names = [...(budget.problem()?.message.matchAll(/(\d) of namespace (\w)/g) ?? [])];
    assert.deepEqual(
      names.map(([, count, name]) => `${name}${count}`),
      ["a1", "b2", "c1", "d1", "e1"],
    );
  });

  it("is 50,000 objects and 128 MiB of a cluster, 10,000 and 32 MiB of a namespace, which the message says", async () => {
    const summaries = (namespaces: number, each: number, bytes: number) =>
      Array.from({ length: namespaces * each }, (_, at) => ({ key: keyOf(`ns-${at % namespaces}`, at), bytes }));
    const scenes = [
      [summaries(6, 8_333, 1), true],
      [[...summaries(6, 8_333, 1), { key: keyOf("more", 1), bytes: 1 }, { key: keyOf("more", 2), bytes: 1 }], false],
      [summaries(5, 1, 25 * 1_024 * 1_024), true],
      [summaries(5, 1, 26 * 1_024 * 1_024), false],
    ] as const;
    for (const [rows, hasRoom] of scenes) {
      const leases = { byCluster: async () => rows, referencesOf: async () => [] } as unknown as SqliteStore;
      const budget = rowBudget({ leases }, "east", { rows: 50_000, bytes: 0 });
      assert.equal(await budget.hasRoom(keyOf("new", "one"), 1_024), hasRoom, `${rows.length} rows`);
      if (!hasRoom)
        assert.match(
          budget.problem()?.message ?? "",
          /limit is 10000 objects and 32 MiB for a namespace and 50000 objects and 128 MiB for a cluster/,
        );
    }
  });

  it("counts what is there as what it grows by, labels and annotations included", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const of = (changed: object) => bytesOf({ spec: {}, labels: {}, annotations: {}, ...changed });
    const text = { a: "x".repeat(100) };
    assert.deepEqual(
      [of({ spec: text }), of({ labels: text }), of({ annotations: text })].map((bytes) => bytes > of({}) + 100),
      [true, true, true],
    );
    const { budget, offer } = scene(store, { rows: 9, bytes: 60_000 });
    assert.equal(await offer(keyOf("a", 1), "x".repeat(50_000)), true);
    assert.equal(await offer(keyOf("a", 1), "x".repeat(60_000)), true);
    assert.deepEqual([budget.kept().rows, budget.kept().bytes < 61_000], [1, true]);
    assert.equal(await offer(keyOf("b", 1), "x".repeat(95_000)), false);
    assert.match(budget.problem()?.message ?? "", /: 1 of namespace b are ignored/);
  });

  it("is so many of the cluster, and what is there may change", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { offer } = scene(store);
    for (let name = 0; name < 20; name++) await offer(keyOf(`ns-${name % 3}`, name));
    assert.equal((await store.byCluster("east")).length, 15);
    assert.equal(await offer(keyOf("ns-0", 0), "changed"), true);
    assert.equal(await offer(keyOf("ns-0", "new")), false);
  });

  it("is so many bytes, also when what is there grows", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const { offer } = scene(store);
    assert.equal(await offer(keyOf("a", 1), "x".repeat(60_000)), true);
    assert.equal(await offer(keyOf("a", 2), "x".repeat(60_000)), false);
    assert.equal(await offer(keyOf("a", 1), "x".repeat(120_000)), false);
    assert.equal(await offer(keyOf("a", 1), "x".repeat(1_000)), true);
    assert.equal(await offer(keyOf("a", 2), "x".repeat(60_000)), true);
  });

  it("is remembered from one watch pass to the next, and counted only near a limit", async () => {
    await using store = openSqliteStore({ path: ":memory:" });
    const first = scene(store);
    for (let name = 0; name < 4; name++) await first.offer(keyOf("a", name));
    assert.deepEqual([first.budget.kept().rows, store.counts().byCluster], [4, undefined]);
    const next = scene(store, first.budget.kept());
    for (let name = 4; name < 30; name++) await next.offer(keyOf("a", name));
    assert.equal(store.counts().byCluster, 1);
    assert.equal((await store.byCluster("east")).length, 10);
    // An estimate that was too high is put right by the first count.
    const third = scene(store, { rows: 1_000, bytes: 0 }, LIMITS);
    assert.equal(await third.offer(keyOf("b", 1)), true);
    await scene(store, { rows: 1_000_000, bytes: 0 }, LIMITS).budget.hasRoom(keyOf("b", 2), 1);
  });
});
