import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { aKey, aPlace, aReferenceKey } from "../../builders.ts";
import { aScene, type OpenStore, SLOT, START } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;

export function indexesContract(open: OpenStore): void {
  describe("wheel, due index and the other indexes", () => {
    it("lease-table 10: a failure takes the row off the wheel in the same settle, the next success puts it back", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL);
      const error = { code: "VAULT_DENIED", message: "no", since: START } as const;
      await scene.settle(await scene.claim(row), { kind: "due", at: START + HOUR_MS }, { error, attempts: 1 });
      const failed = await scene.row(row.key);
      assert.deepEqual([failed.wheel, failed.dueAt, failed.state.error], [undefined, START + HOUR_MS, error]);
      assert.deepEqual(await scene.store.onWheel("refresh", SLOT.period, 0, SLOT.period), []);
      await scene.settle(await scene.claim(failed), WHEEL);
      const well = await scene.row(row.key);
      assert.deepEqual([well.wheel, well.dueAt, well.state.error], [SLOT, undefined, undefined]);
    });

    it("lease-table 12: lists the periods in use, and what has its refresh slot in a range of phases, ends included", async () => {
      await using scene = await aScene(open);
      const slots = [
        { period: 51, phase: 0 },
        { period: 51, phase: 10 },
        { period: 51, phase: 11 },
        { period: 51, phase: 50 },
        { period: 3_661, phase: 299 },
        { period: 3_661, phase: 300 },
        { period: 3_661, phase: 900 },
      ];
      for (const slot of slots) {
        await scene.settled({ kind: "wheel", slot }, { key: aKey(`p${slot.period}-${slot.phase}`) });
      }
      const phases = async (period: number, from: number, to: number) =>
        (await scene.store.onWheel("refresh", period, from, to)).map(({ phase }) => phase).sort((a, b) => a - b);
      assert.deepEqual(
        (await scene.store.periods("refresh")).toSorted((a, b) => a - b),
        [51, 3_661],
      );
      assert.deepEqual(await phases(51, 0, 10), [0, 10]);
      assert.deepEqual(await phases(51, 11, 50), [11, 50]);
      assert.deepEqual(await phases(3_661, 299, 900), [299, 300, 900]);
      assert.deepEqual(await phases(3_661, 301, 899), []);
      assert.deepEqual(await phases(60, 0, 59), []);
    });

    it("lease-table 14: a refresh slot that was dispatched before the row joined the wheel stands in the due index, in the refresh lane", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled({ ...WHEEL, dueAt: START + 20_000 });
      assert.deepEqual([row.wheel, row.dueAt], [SLOT, START + 20_000]);
      const due = await scene.store.due({ after: START, until: START + 60_000, now: START }, 10);
      assert.deepEqual(due, [{ key: row.key, group: row.declared.group, lane: "refresh", at: START + 20_000 }]);
      await scene.store.nudge(row.key, { now: START + 10_000, verify: false });
      const nudged = await scene.store.due({ after: START, until: START + 60_000, now: START + 10_000 }, 10);
      assert.deepEqual(
        nudged.map(({ lane, at }) => [lane, at]),
        [["now", START + 10_000]],
      );
    });

    it("lease-table 17: due and wheel answer keys, grouping hash, lane and time, nothing more", async () => {
      await using scene = await aScene(open);
      const declared = await scene.declare();
      const [due] = await scene.store.due({ after: 0, until: START, now: START }, 10);
      assert.deepEqual(due, { key: declared.key, group: declared.declared.group, lane: "now", at: START });
      await scene.settle(await scene.claim(declared), WHEEL);
      const [entry] = await scene.store.onWheel("refresh", SLOT.period, SLOT.phase, SLOT.phase);
      assert.deepEqual(
        { ...entry },
        {
          key: declared.key,
          group: declared.declared.group,
          lane: "refresh",
          phase: SLOT.phase,
        },
      );
    });

    it("answers what is due oldest first, after and up to the times given, as much as is asked for", async () => {
      await using scene = await aScene(open);
      for (const seconds of [30, 10, 20, 40]) {
        await scene.settled({ kind: "due", at: START + seconds * 1_000 }, { key: aKey(`in-${90 - seconds}`) });
      }
      const due = async (after: number, until: number, limit = 10) =>
        (await scene.store.due({ after: START + after, until: START + until, now: START }, limit)).map(
          ({ at }) => (at - START) / 1_000,
        );
      assert.deepEqual(await due(0, 60_000), [10, 20, 30, 40]);
      assert.deepEqual(await due(10_000, 30_000), [20, 30]);
      assert.deepEqual(await due(0, 60_000, 2), [10, 20]);
      assert.deepEqual(await due(40_000, 60_000), []);
    });

    it("lease-table 17: finds the syncs that read a place, from the settle that says so until the next one", async () => {
      await using scene = await aScene(open);
      const one = await scene.settled(WHEEL, { key: aKey("one") }, { place: aPlace("s") });
      const two = await scene.settled(WHEEL, { key: aKey("two") }, { place: aPlace("s") });
      assert.deepEqual([...(await scene.readers("kv/s"))].toSorted(), [one.key, two.key]);
      await scene.settle(await scene.claim(one), WHEEL, { place: aPlace("t") });
      assert.deepEqual(await scene.readers("kv/s"), [two.key]);
      assert.deepEqual(await scene.readers("kv/t"), [one.key]);
    });

    it("lease-table 17: lists a cluster with version, references and how each sync stands", async () => {
      await using scene = await aScene(open);
      const error = { code: "REFERENCE_MISSING", message: "no VaultAuth", since: START } as const;
      const refs = [aReferenceKey()];
      const state = { refs, waitsFor: "vault:https://v", error, attempts: 3, syncedAt: START - 1 };
      const row = await scene.settled({ kind: "due", at: START + 5 }, {}, state);
      await scene.settled(WHEEL, { key: aKey("db", "west") });
      const { uid, hash, generation } = row.declared;
      // What the declaration takes is told by who knows it without reading it.
      const listed = (await scene.store.byCluster("east")).map(({ bytes: _some, ...summary }) => summary);
      assert.deepEqual(listed, [{ key: row.key, uid, hash, generation, ...state, dueAt: START + 5 }]);
      const [west] = await scene.store.byCluster("west");
      assert.deepEqual([west?.wheel, west?.refs, west?.attempts], [SLOT, [], 0]);
    });

    it("reads many rows at once, and leaves out what is not there", async () => {
      await using scene = await aScene(open);
      const keys = Array.from({ length: 120 }, (_, n) => aKey(`n${n}`));
      for (const key of keys.slice(0, 110)) await scene.declare({ key });
      for (const consistency of ["strong", "eventual"] as const) {
        const rows = await scene.store.read(keys, consistency);
        assert.deepEqual([...rows.keys()].toSorted(), keys.slice(0, 110).toSorted());
      }
      assert.equal((await scene.store.read([], "strong")).size, 0);
    });
  });
}
