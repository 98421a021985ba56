import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey, type SyncKey, syncKey } from "../../../lib/keys.ts";
import { notingReleases } from "../../../lib/plan/plan-releases.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aCluster, aDeclared, aKey, anIssue } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const LATER = NOW + 86_400_000;
const EAST = aCluster({ namespaces: { include: ["*"], exclude: ["shop"] } });
const WEST = aCluster({ name: "west" });

async function world() {
  const asked: string[] = [];
  const store = simulatedSqliteStore(undefined);
  const copy: LeaseStore = {
    ...store,
    read: (keys, consistency) => {
      asked.push(consistency);
      return store.read(keys, consistency);
    },
  };
  const noted = notingReleases(copy, [EAST, WEST]);
  const settled = async (key: SyncKey, state: Partial<RowState>) => {
    await store.declare(aDeclared({ key }), NOW);
    const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
    const { lease } = (await store.claim(row, { now: NOW, until: NOW + 1 })) ?? assert.fail();
    await store.settle(lease, { state: { ...EMPTY_STATE, ...state }, schedule: { kind: "parked" }, now: NOW });
    return row;
  };
  const isThere = async (key: SyncKey) => (await store.read([key], "strong")).has(key);
  return { store, noted, asked, settled, isThere, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe("a plan notes what a run would let go of", () => {
  const OWNED = { owned: [{ name: "db" }, { name: "more" }] };
  const planned = (key: SyncKey, because: string, releases: readonly string[]) => ({
    ...{ key, action: "release", because: `${because}: keyferry forgets it, and its Secrets stay` },
    ...{ removes: [], restarts: [], releases },
  });

  for (const [cluster, because] of [
    ["north", "its cluster left fleet.yaml"],
    ["east", "fleet.yaml leaves its namespace out"],
    ["west", "another cluster has that name now"],
  ] as const) {
    it(`with the Secrets that stay, and why: ${because}`, async () => {
      await using it = await world();
      const [released, retired] = [aKey("released", cluster), aKey("retired", cluster)];
      await it.settled(released, OWNED);
      const row = await it.settled(retired, { issues: [anIssue()], owned: [{ name: "app" }] });
      assert.deepEqual(it.noted.released(), []);
      await it.noted.leases.release(released);
      const due = await it.noted.leases.retire(retired, LATER, NOW);
      const left = cleanupKey(retired, row.declared.uid);
      assert.deepEqual(due, { key: left, group: row.declared.group, lane: "now", at: LATER });
      assert.deepEqual(it.noted.released(), [
        planned(released, because, ["db", "more"]),
        planned(retired, because, ["app"]),
      ]);
      assert.deepEqual(
        [await it.isThere(released), await it.isThere(retired), await it.isThere(left)],
        [...[false, false, true]],
      );
      assert.deepEqual(it.asked, ["strong", "strong"]);
    });
  }

  it("but no row that is not there, and none of a resource that is only checked", async () => {
    await using it = await world();
    const checked = syncKey({ cluster: "east", kind: "VaultAuth", namespace: "shop", name: "default" });
    await it.settled(checked, {});
    await it.noted.leases.retire(checked, LATER, NOW);
    await it.noted.leases.release(aKey("missing"));
    assert.deepEqual([it.noted.released(), await it.isThere(checked)], [[], false]);
  });

  it("and everything else of the table is as it was", async () => {
    await using it = await world();
    await it.noted.leases.declare(aDeclared(), NOW);
    assert.ok(await it.isThere(aKey()));
  });
});
