import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { isTooMany, tombstoneMissing } from "../../../lib/discovery/tombstone-missing.ts";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import { VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const quiet = (): void => undefined;

type ResourceName = Parameters<DiscoveryDeps["resources"]["get"]>[0];

/** A table with so many declarations, of which a list lacked all; some are still there when they are read by name. */
async function scene(count: number, there: Readonly<Record<string, string>> = {}) {
  const leases = simulatedSqliteStore(undefined);
  for (let at = 0; at < count; at++) {
    const key = aKey(`db-${at}`);
    await leases.declare(aDeclared({ key }), NOW);
    const row = (await leases.read([key], "strong")).get(key) ?? assert.fail();
    const { lease } = (await leases.claim(row, { now: NOW, until: NOW + 1 })) ?? assert.fail();
    const state = { ...row.state, owned: [{ name: "db", uid: "s" }] };
    await leases.settle(lease, { state, schedule: { kind: "parked" }, now: NOW });
  }
  const sent: SyncKey[] = [];
  const counts: string[] = [];
  const deps = {
    leases,
    resources: {
      get: async ({ cluster, namespace, name, kind }: ResourceName) => {
        const uid = kind === VAULT_STATIC_SECRET && there[`${cluster}/${namespace}/${name}`];
        return uid ? { uid } : undefined;
      },
    },
    queue: {
      send: async (messages: readonly KeysMessage[]) => void sent.push(...messages.flatMap(({ keys }) => keys)),
    },
    ...{ clock: () => NOW, log: { error: quiet }, metrics: { count: (name: string) => void counts.push(name) } },
  } as unknown as DiscoveryDeps;
  const absent = await leases.byCluster("east");
  const miss = (total: number, isReleased = false) =>
    tombstoneMissing(deps, VAULT_STATIC_SECRET, absent, total, isReleased, new AbortController().signal);
  const rows = async () => (await leases.byCluster("east")).map(({ key }) => key).sort();
  return { miss, rows, sent, counts, [Symbol.asyncDispose]: () => leases[Symbol.asyncDispose]() };
}

const retired = (name: string) => cleanupKey(aKey(name), `uid-of-${aKey(name)}`);

describe("lease-table 18: declarations that a list lacks", () => {
  it("are cleaned up when they are gone, or another one has the name; what is still there stays", async () => {
    await using one = await scene(3, { "east/shop/db-0": `uid-of-${aKey("db-0")}`, "east/shop/db-1": "another" });
    assert.equal(await one.miss(3), undefined);
    assert.deepEqual(await one.rows(), [retired("db-1"), retired("db-2"), aKey("db-0")].sort());
    assert.deepEqual([...one.sent].sort(), [retired("db-1"), retired("db-2")].sort());
  });

  it("wait for a person when they are many, unless that person has spoken", async () => {
    await using one = await scene(11);
    const before = await one.rows();
    assert.deepEqual(await one.miss(20), { since: NOW, gone: 11, of: 20 });
    assert.deepEqual([await one.rows(), one.sent], [before, []]);
    assert.deepEqual(one.counts, ["keyferry_missing_awaiting_approval_total"]);
    assert.equal(await one.miss(20, true), undefined);
    assert.equal(one.sent.length, 11);
  });

  it("are many when they are more than ten, and more than a fifth of all", () => {
    for (const [gone, of, tooMany] of [
      [10, 10, false],
      [11, 50, true],
      [11, 54, true],
      [11, 55, false],
      [20, 100, false],
      [21, 100, true],
    ] as const) {
      assert.equal(isTooMany(gone, of), tooMany, `${gone} of ${of}`);
    }
  });

  it("cost nothing when there are none", async () => {
    await using one = await scene(0);
    assert.deepEqual([await one.miss(0), one.sent], [undefined, []]);
  });
});
