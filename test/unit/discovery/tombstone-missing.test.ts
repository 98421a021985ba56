import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DiscoveryDeps } from "../../../lib/discovery/deps.ts";
import { isTooMany, missingRows } from "../../../lib/discovery/tombstone-missing.ts";
import { SyncError } from "../../../lib/errors.ts";
import { cleanupKey, partsOf, type SyncKey, syncKey } from "../../../lib/keys.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import {
  type KindRef,
  VAULT_DYNAMIC_SECRET,
  VAULT_PKI_SECRET,
  VAULT_STATIC_SECRET,
} from "../../../lib/resource-kinds.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const signal = new AbortController().signal;
const uidOf = (key: SyncKey): string => `uid-of-${key}`;

type ResourceName = Parameters<DiscoveryDeps["resources"]["get"]>[0];

/** A kind in a namespace, and how many declarations of it are in the table. */
type Place = readonly [kind: KindRef, namespace: string, count: number];

/** A table with these declarations, and a watch pass. */
async function scene(places: readonly Place[], approval: Partial<Parameters<typeof missingRows>[2]> = {}) {
  const leases = simulatedSqliteStore(undefined);
  for (const [{ kind }, namespace, count] of places) {
    for (let at = 0; at < count; at++) {
      const key = syncKey({ cluster: "east", kind, namespace, name: `db-${at}` });
      await leases.declare(aDeclared({ key, uid: uidOf(key) }), NOW);
      const row = (await leases.read([key], "strong")).get(key) ?? assert.fail();
      const { lease } = (await leases.claim(row, { now: NOW, until: NOW + 1 })) ?? assert.fail();
      const state = { ...row.state, owned: [{ name: "db", uid: "s" }] };
      await leases.settle(lease, { state, schedule: { kind: "parked" }, now: NOW });
    }
  }
  const sent: SyncKey[] = [];
  const told: string[] = [];
  /** The uid by key of what is there when it is read by name; an error is thrown. */
  const there = new Map<string, string | Error>();
  const deps = {
    leases,
    resources: {
      async get({ cluster, namespace, name, kind: { kind } }: ResourceName) {
        const found = there.get(syncKey({ cluster, kind, namespace, name }));
        if (found instanceof Error) throw found;
        return found && { uid: found };
      },
    },
    queue: {
      send: async (messages: readonly KeysMessage[]) => void sent.push(...messages.flatMap(({ keys }) => keys)),
    },
    ...{ clock: () => NOW, log: { error: (...line: unknown[]) => void told.push(JSON.stringify(line)) } },
    metrics: { count: (...line: unknown[]) => void told.push(JSON.stringify(line)) },
  } as unknown as DiscoveryDeps;
  const pass = (more: typeof approval = {}) =>
    missingRows(deps, "east", { isApproved: false, before: undefined, ...more });
  const missing = pass(approval);
  const rows = async () => (await leases.byCluster("east")).map(({ key }) => key);
  return {
    ...{ leases, pass, missing, there, sent, told, rows },
    /** How many declarations have a row. */
    left: async () => (await rows()).filter((key) => !key.includes("#")).length,
    /** A list of this kind and namespace ends, without the first so many of its rows. */
    async lacks(kind: KindRef, namespace: string, count: number, inPass = missing) {
      const all = (await leases.byCluster("east")).filter(({ key }) => {
        const parts = partsOf(key);
        return parts.kind === kind.kind && parts.namespace === namespace && !key.includes("#");
      });
      const lacking = { list: `${kind.kind}/${namespace}`, kind, absent: all.slice(0, count), of: all.length };
      await inPass.take(lacking, signal);
    },
    [Symbol.asyncDispose]: () => leases[Symbol.asyncDispose](),
  };
}

const KEYS = [0, 1, 2].map((at) =>
  syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: `db-${at}` }),
);
const retired = (key: SyncKey = assert.fail()) => cleanupKey(key, uidOf(key));

describe("lease-table 18: declarations that lists lack", () => {
  it("are cleaned up when they are gone, or another one has the name; what is still there stays", async () => {
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 3]]);
    const [first = assert.fail(), second = assert.fail(), third] = KEYS;
    one.there.set(first, uidOf(first)).set(second, "another");
    await one.lacks(VAULT_STATIC_SECRET, "shop", 3);
    assert.deepEqual([one.sent, one.missing.isOpen("VaultStaticSecret/shop")], [[], true], "not before all have ended");
    await one.missing.settle(true, signal);
    assert.deepEqual((await one.rows()).sort(), [first, retired(second), retired(third)].sort());
    assert.deepEqual([...one.sent].sort(), [retired(second), retired(third)].sort());
    assert.deepEqual([one.missing.isOpen("VaultStaticSecret/shop"), one.missing.awaiting()], [false, undefined]);
  });

  it("wait for a person when they are many of all, although each list lacks few", async () => {
    const namespaces = ["n1", "n2", "n3", "n4"];
    await using one = await scene(namespaces.map((namespace) => [VAULT_DYNAMIC_SECRET, namespace, 6]));
    for (const namespace of namespaces) await one.lacks(VAULT_DYNAMIC_SECRET, namespace, 6);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.sent], [24, []]);
    assert.deepEqual(one.missing.awaiting(), { since: NOW, gone: 24, of: 24 });
    for (const namespace of namespaces) assert.ok(one.missing.isOpen(`VaultDynamicSecret/${namespace}`));
    assert.deepEqual(one.told, [
      '["missing-awaiting-approval",{"kind":"VaultDynamicSecret","gone":24,"of":24}]',
      '["keyferry_missing_awaiting_approval_total",{"kind":"VaultDynamicSecret"}]',
    ]);
    await one.missing.settle(true, signal);
    assert.equal(one.told.length, 2, "once in a watch pass");
  });

  it("wait when they are many of all kinds together", async () => {
    const kinds = [VAULT_STATIC_SECRET, VAULT_DYNAMIC_SECRET];
    await using one = await scene(kinds.map((kind) => [kind, "shop", 6]));
    for (const kind of kinds) await one.lacks(kind, "shop", 6);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.missing.awaiting()?.gone], [12, 12]);
  });

  it("wait when they are many of their kind or of their list alone, and what others lack goes", async () => {
    for (const [shop, bank, gone, of] of [
      [[6, 6], [6, 6], 12, 12],
      [[12, 11], [60, 0], 11, 12],
    ] as const) {
      await using one = await scene([
        [VAULT_STATIC_SECRET, "shop", shop[0]],
        [VAULT_STATIC_SECRET, "bank", bank[0]],
        [VAULT_PKI_SECRET, "shop", 78],
      ]);
      const before = await one.left();
      await one.lacks(VAULT_STATIC_SECRET, "shop", shop[1]);
      await one.lacks(VAULT_STATIC_SECRET, "bank", bank[1]);
      await one.lacks(VAULT_PKI_SECRET, "shop", 2);
      await one.missing.settle(true, signal);
      assert.deepEqual([before - (await one.left()), one.missing.awaiting()], [2, { since: NOW, gone, of }]);
    }
  });

  it("count with those that this watch pass removed before", async () => {
    await using one = await scene([
      [VAULT_STATIC_SECRET, "shop", 10],
      [VAULT_STATIC_SECRET, "bank", 10],
    ]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 8);
    await one.missing.settle(true, signal);
    await one.lacks(VAULT_STATIC_SECRET, "bank", 3);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.missing.awaiting()], [12, { since: NOW, gone: 3, of: 12, removed: 8 }]);
    assert.match(one.told[0] ?? "", /"gone":3,"of":12,"removed":8}/);
  });

  it("wait on in later passes with those that were removed before them, until they are back or approved", async () => {
    await using one = await scene([
      [VAULT_STATIC_SECRET, "shop", 8],
      [VAULT_DYNAMIC_SECRET, "shop", 8],
    ]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 8);
    await one.missing.settle(true, signal);
    await one.lacks(VAULT_DYNAMIC_SECRET, "shop", 8);
    await one.missing.settle(true, signal);
    const held = { since: NOW, gone: 8, of: 8, removed: 8 };
    assert.deepEqual([await one.left(), one.missing.awaiting()], [8, held]);

    const second = one.pass({ before: held });
    assert.deepEqual(second.awaiting(), held, "before anything is listed");
    await one.lacks(VAULT_STATIC_SECRET, "shop", 0, second);
    await one.lacks(VAULT_DYNAMIC_SECRET, "shop", 8, second);
    await second.settle(true, signal);
    await second.settle(true, signal);
    assert.deepEqual([await one.left(), second.awaiting()], [8, held]);

    const back = one.pass({ before: held });
    await one.lacks(VAULT_DYNAMIC_SECRET, "shop", 0, back);
    await back.settle(true, signal);
    assert.deepEqual([await one.left(), back.awaiting()], [8, undefined]);

    const approved = one.pass({ before: held, isApproved: true });
    await one.lacks(VAULT_DYNAMIC_SECRET, "shop", 8, approved);
    assert.deepEqual([await one.left(), approved.awaiting()], [0, undefined]);
  });

  it("wait on with the most that were removed before any of them", async () => {
    await using one = await scene([
      [VAULT_STATIC_SECRET, "shop", 8],
      [VAULT_STATIC_SECRET, "bank", 32],
      [VAULT_DYNAMIC_SECRET, "shop", 12],
      [VAULT_PKI_SECRET, "shop", 78],
    ]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 8);
    await one.missing.settle(true, signal);
    await one.lacks(VAULT_DYNAMIC_SECRET, "shop", 11);
    await one.lacks(VAULT_STATIC_SECRET, "bank", 3);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.missing.awaiting()?.removed], [122, 8]);
  });

  it("count no more when they are back in a later list, gone by an event, or declared anew", async () => {
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 12]]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 11);
    await one.missing.settle(true, signal);
    assert.equal(one.missing.awaiting()?.gone, 11);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 0);
    assert.deepEqual([one.missing.awaiting(), one.missing.isOpen("VaultStaticSecret/shop")], [undefined, false]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 11);
    const [first = assert.fail(), second = assert.fail()] = KEYS;
    await one.leases.tombstone(first, uidOf(first), NOW);
    await one.leases.declare(aDeclared({ key: second, uid: "anew" }), NOW);
    one.there.set(second, "anew");
    await one.missing.settle(true, signal);
    assert.deepEqual(await one.left(), 2, "the one that was never gone, and the new one");
  });

  it("are removed at once when a person has approved it", async () => {
    const before = { since: 1, gone: 11, of: 12 };
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 12]], { isApproved: true, before });
    await one.lacks(VAULT_STATIC_SECRET, "shop", 11);
    assert.deepEqual([await one.left(), one.sent.length], [1, 11]);
    assert.deepEqual([one.missing.isOpen("VaultStaticSecret/shop"), one.missing.awaiting()], [false, undefined]);
  });

  it("stay as they were told before while it is not known how many they are, or some can't be read", async () => {
    const before = { since: 1, gone: 11, of: 12 };
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 12]], { before });
    assert.deepEqual(one.missing.awaiting(), before);
    await one.missing.settle(true, signal);
    assert.equal(one.missing.awaiting(), undefined, "nothing is missing");
    await one.lacks(VAULT_STATIC_SECRET, "shop", 3);
    assert.deepEqual(one.missing.awaiting(), before);
    await one.missing.settle(false, signal);
    assert.deepEqual([await one.left(), one.missing.awaiting()], [12, { since: NOW, gone: 3, of: 12 }]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 3);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.missing.awaiting()], [9, undefined]);
    await using first = await scene([[VAULT_STATIC_SECRET, "shop", 12]]);
    await first.lacks(VAULT_STATIC_SECRET, "shop", 3);
    await first.missing.settle(false, signal);
    assert.equal(await first.left(), 9, "a list that can't be read stops no other one");
  });

  it("wait on while a list can't be read that may be theirs, though no other lacks anything that is not gone", async () => {
    const before = { since: 1, gone: 8, of: 8, removed: 8 };
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 12]], { before });
    await one.missing.settle(false, signal);
    assert.deepEqual(one.missing.awaiting(), before, "nothing else is missing");
    await one.lacks(VAULT_STATIC_SECRET, "shop", 1);
    const [first = assert.fail()] = KEYS;
    await one.leases.tombstone(first, uidOf(first), NOW);
    await one.missing.settle(false, signal);
    const isOpen = one.missing.isOpen("VaultStaticSecret/shop");
    assert.deepEqual([isOpen, one.missing.awaiting()], [false, before], "it is gone by an event");
    await one.lacks(VAULT_STATIC_SECRET, "shop", 3);
    await one.missing.settle(false, signal);
    assert.deepEqual([await one.left(), one.missing.awaiting()?.gone], [11, 3], "the others wait with them");
    await one.lacks(VAULT_STATIC_SECRET, "shop", 0);
    await one.missing.settle(true, signal);
    assert.equal(one.missing.awaiting(), undefined, "each list was read, and lacks nothing");
  });

  it("are tried again after they could not be read by name, and others of that list are not lost", async () => {
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 3]]);
    const [, second = assert.fail()] = KEYS;
    const denied = new SyncError("KUBE_DENIED", "no");
    one.there.set(second, denied);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 3);
    await one.missing.settle(true, signal);
    assert.deepEqual([one.missing.problem(), one.missing.isOpen("VaultStaticSecret/shop")], [denied, true]);
    one.there.delete(second);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.missing.problem(), one.missing.awaiting()], [0, undefined, undefined]);
  });

  it("are those of the later list when it is read again while they are handled", async () => {
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 3]]);
    await one.lacks(VAULT_STATIC_SECRET, "shop", 1);
    const again: Promise<void>[] = [];
    one.there.get = () => {
      if (again.length === 0) again.push(one.lacks(VAULT_STATIC_SECRET, "shop", 3));
      return undefined;
    };
    await one.missing.settle(true, signal);
    await Promise.all(again);
    assert.deepEqual([await one.left(), one.missing.isOpen("VaultStaticSecret/shop")], [2, true]);
    await one.missing.settle(true, signal);
    assert.deepEqual([await one.left(), one.missing.isOpen("VaultStaticSecret/shop")], [0, false]);
  });

  it("are left to the next watch pass when this one ends", async () => {
    await using one = await scene([[VAULT_STATIC_SECRET, "shop", 3]]);
    const end = new AbortController();
    await one.lacks(VAULT_STATIC_SECRET, "shop", 3);
    await one.missing.settle(true, AbortSignal.abort());
    assert.equal(await one.left(), 3);
    one.there.set(KEYS[0] ?? assert.fail(), new Error("a bug"));
    await assert.rejects(one.missing.settle(true, end.signal), /a bug/);
    one.there.get = () => {
      end.abort(new Error("the end"));
      return end.signal.reason;
    };
    await one.missing.settle(true, end.signal);
    assert.deepEqual([one.missing.isOpen("VaultStaticSecret/shop"), one.missing.problem()], [true, undefined]);
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
    await using one = await scene([]);
    one.leases.byCluster = () => assert.fail("asked");
    await one.missing.take({ list: "a", kind: VAULT_STATIC_SECRET, absent: [], of: 0 }, signal);
    await one.missing.settle(true, signal);
    assert.deepEqual(one.sent, []);
  });
});
