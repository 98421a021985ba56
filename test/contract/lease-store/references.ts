import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import type { DomainEvent, RowState } from "../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { aKey, anIssue, aReferenceKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, SLOT, START } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;
const TARGET = { address: "https://vault.example:8200", headers: { "x-team": "shop" } };

const event = (id: string, at = START): DomainEvent => ({ id, kind: "SecretSynced", at, detail: { n: 1 } });

export function referencesContract(open: OpenStore): void {
  describe("who refers to whom", () => {
    it("lease-table 23: finds the rows that refer to a resource, a cause, a Secret or a circuit", async () => {
      await using scene = await aScene(open);
      const state: Partial<RowState> = {
        refs: [aReferenceKey()],
        awaits: ["cause:VAULT_DENIED:1f", "destination:east/shop/db", "circuit:vault:https://v"],
      };
      const one = await scene.settled(WHEEL, { key: aKey("one") }, state);
      const two = await scene.settled(WHEEL, { key: aKey("two") }, { refs: [aReferenceKey()] });
      assert.deepEqual(await scene.referring(aReferenceKey()), [one.key, two.key]);
      for (const ref of state.awaits ?? []) assert.deepEqual(await scene.referring(ref), [one.key], ref);
      assert.deepEqual(await scene.referring("destination:east/shop/d"), []);
      assert.deepEqual(await scene.referring(aReferenceKey("other")), []);
    });

    it("lease-table 23: follows what changes with a settle, and writes that alone", async () => {
      await using scene = await aScene(open);
      const [a, b, c] = ["a", "b", "c"].map((name) => aReferenceKey(name));
      assert.ok(a && b && c);
      const row = await scene.settled(WHEEL, {}, { refs: [a, b] });
      scene.indexWrites();
      await scene.settle(await scene.claim(row), WHEEL, { refs: [a, b] });
      assert.equal(scene.indexWrites(), 0);
      await scene.settle(await scene.claim(await scene.row(row.key)), WHEEL, { refs: [b, c] });
      assert.equal(scene.indexWrites(), 2);
      assert.deepEqual(
        [await scene.referring(a), await scene.referring(b), await scene.referring(c)],
        [[], [row.key], [row.key]],
      );
    });

    it("lease-table 23: a settle that is lost changes nothing of what another one said", async () => {
      await using scene = await aScene(open);
      const late = await scene.claim(await scene.declare());
      scene.pass(LEASE_MS);
      const other = await scene.claim(await scene.row(late.key));
      await scene.settle(other, WHEEL, { refs: [aReferenceKey("right")] });
      assert.equal(await scene.settle(late, WHEEL, { refs: [aReferenceKey("wrong")] }), "lost");
      assert.deepEqual(await scene.referring(aReferenceKey("right")), [late.key]);
      assert.deepEqual(await scene.referring(aReferenceKey("wrong")), []);
    });

    it("lease-table 23: a row that was nudged meanwhile is found by what it settled all the same", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.declare());
      await scene.store.nudge(lease.key, { now: scene.clock(), verify: false });
      assert.equal(await scene.settle(lease, WHEEL, { refs: [aReferenceKey()] }), "nudged");
      assert.deepEqual(await scene.referring(aReferenceKey()), [lease.key]);
    });

    it("lease-table 23: a row that ends is found no more", async () => {
      await using scene = await aScene(open);
      const gone = await scene.settled(WHEEL, { key: aKey("gone") }, { refs: [aReferenceKey()] });
      const released = await scene.settled(WHEEL, { key: aKey("released") }, { refs: [aReferenceKey()] });
      const tombstoned = await scene.settled(WHEEL, { key: aKey("tombstoned") }, { refs: [aReferenceKey()] });
      await scene.settle(await scene.claim(gone), { kind: "gone" });
      await scene.store.release(released.key);
      await scene.store.tombstone(tombstoned.key, tombstoned.declared.uid, scene.clock());
      assert.deepEqual(await scene.referring(aReferenceKey()), []);
    });

    it("lease-table 23: is paged: each row comes once", async () => {
      await using scene = await aScene(open);
      for (let n = 0; n < 25; n++) {
        await scene.settled(WHEEL, { key: aKey(`n${n}`) }, { refs: [aReferenceKey()] });
      }
      const keys: string[] = [];
      let after: string | undefined;
      do {
        const page = await scene.store.byReference(aReferenceKey(), { limit: 10, ...(after && { after }) });
        assert.ok(page.items.length <= 10);
        keys.push(...page.items);
        after = page.next;
      } while (after !== undefined);
      assert.equal(new Set(keys).size, 25);
      assert.equal(keys.length, 25);
    });
  });

  describe("targets", () => {
    it("lease-table 28: a target is stored once, and stays as long as a row names it", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const lease = await scene.claim(await scene.declare());
      const digest = await store.putTarget(TARGET, lease.key);
      assert.equal(await store.putTarget({ ...TARGET }, lease.key), digest);
      assert.deepEqual(await store.target(digest), TARGET);
      assert.deepEqual(await store.targets(), [digest]);
      const issues = [anIssue({ target: digest })];
      assert.equal(await store.record(lease, { ...EMPTY_STATE, issues }, scene.clock()), "recorded");
      // A crash after the record: the row still names it.
      for (let hours = 0; hours < 4; hours++) {
        scene.pass(HOUR_MS);
        assert.equal(await store.sweepTargets(scene.clock()), 0);
      }
      await scene.settle(await scene.claim(await scene.row(lease.key)), WHEEL, { issues });
      assert.deepEqual(await scene.referring(`target:${digest}`), [lease.key]);
      await scene.settle(await scene.claim(await scene.row(lease.key)), WHEEL);
      assert.equal(await store.sweepTargets(scene.clock()), 0);
      assert.deepEqual(await store.target(digest), TARGET);
      scene.pass(HOUR_MS);
      assert.equal(await store.sweepTargets(scene.clock()), 1);
      assert.equal(await store.target(digest), undefined);
      assert.deepEqual(await store.targets(), []);
    });

    it("lease-table 28: one that was put and never recorded is swept, and one that is put again meanwhile is not", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const first = await scene.claim(await scene.declare({ key: aKey("first") }));
      const digest = await store.putTarget(TARGET, first.key);
      scene.pass(LEASE_MS);
      assert.equal(await store.sweepTargets(scene.clock()), 0);
      scene.pass(HOUR_MS);
      const second = await scene.claim(await scene.declare({ key: aKey("second") }));
      assert.equal(await store.putTarget(TARGET, second.key), digest);
      assert.equal(await store.sweepTargets(scene.clock()), 0);
      assert.deepEqual(await store.target(digest), TARGET);
      scene.pass(LEASE_MS);
      await store.sweepTargets(scene.clock());
      scene.pass(HOUR_MS);
      assert.equal(await store.sweepTargets(scene.clock()), 1);
    });
  });

  describe("domain events that were not sent", () => {
    it("are stored with the settle, found by the sweep, and forgotten once they were sent", async () => {
      await using scene = await aScene(open);
      const { store } = scene;
      const row = await scene.settled(WHEEL, { key: aKey("one") }, { unsent: [event("1"), event("2", START + 5_000)] });
      await scene.settled(WHEEL, { key: aKey("two") }, { unsent: [event("3", START + 1_000)] });
      await scene.settled(WHEEL, { key: aKey("three") });
      assert.deepEqual(await store.unsent(START, 10), []);
      const found = await store.unsent(START + 2_000, 10);
      assert.deepEqual(
        found.map(({ key, events }) => [key, events.map(({ id }) => id)]),
        [
          [aKey("one"), ["1", "2"]],
          [aKey("two"), ["3"]],
        ],
      );
      assert.equal((await store.unsent(START + 2_000, 1)).length, 1);
      await store.clearUnsent(row.key, ["1", "other"]);
      assert.deepEqual((await scene.row(row.key)).state.unsent, [event("2", START + 5_000)]);
      assert.deepEqual(
        (await store.unsent(START + 2_000, 10)).map(({ key }) => key),
        [aKey("two")],
        "the oldest that is left is newer",
      );
      assert.equal((await store.unsent(START + 5_001, 10)).length, 2);
      await store.clearUnsent(row.key, ["2"]);
      const { state } = await scene.row(row.key);
      assert.equal(state.unsent, undefined);
      assert.deepEqual(state, withoutUnsent(row.state));
      assert.deepEqual((await store.unsent(START + 2_000, 10)).length, 1);
      await store.clearUnsent(aKey("absent"), ["1"]);
    });

    it("are cleared while another worker holds the row, which it does not lose by that", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { unsent: [event("1")] });
      const lease = await scene.claim(row);
      await scene.store.clearUnsent(row.key, ["1"]);
      assert.equal(await scene.settle(lease, WHEEL), "settled");
      assert.deepEqual(await scene.store.unsent(START + 1, 10), []);
    });
  });
}

function withoutUnsent({ unsent: _unsent, ...state }: RowState): RowState {
  return state;
}
