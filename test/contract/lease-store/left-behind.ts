import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import type { Declared, RowState } from "../../../lib/ports/rows.ts";
import { aDeclared, aKey, anIssue, aPlace, aPushed, aReferenceKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, type Scene, SLOT, START } from "./scene.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;
const RENEW = { period: 8, phase: 3 };

/** What keeps a row from vanishing with its declaration. */
const LEFT: Readonly<Record<string, Partial<RowState>>> = {
  "a Secret": { owned: [{ name: "db" }] },
  "an issue": { issues: [anIssue()] },
  "a pushed path": { pushed: [aPushed()] },
};

export function leftBehindContract(open: OpenStore): void {
  describe("what a declaration leaves behind", () => {
    for (const [what, state] of Object.entries(LEFT)) {
      it(`lease-table 28: ${what} alone keeps a row as a clean-up when it is tombstoned`, async () => {
        await using scene = await aScene(open);
        const row = await scene.settled(WHEEL, {}, state, { renew: RENEW });
        const due = await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
        const key = cleanupKey(row.key, row.declared.uid);
        assert.equal(due?.key, key);
        const { state: left, declared } = await scene.row(key);
        assert.deepEqual([left.owned, left.issues, left.pushed], [row.state.owned, state.issues, state.pushed]);
        assert.deepEqual(declared, { ...row.declared, key });
        assert.deepEqual(await scene.store.onWheel("renew", RENEW.period, 0, RENEW.period), []);
        assert.deepEqual(await scene.store.onWheel("refresh", SLOT.period, 0, SLOT.period), []);
      });

      it(`lease-table 28: ${what} is carried over when another uid is declared`, async () => {
        await using scene = await aScene(open);
        const row = await scene.settled(WHEEL, {}, state);
        await scene.declare({ uid: "another" });
        const left = (await scene.row(cleanupKey(row.key, row.declared.uid))).state;
        assert.deepEqual([left.owned, left.issues, left.pushed], [row.state.owned, state.issues, state.pushed]);
        assert.deepEqual((await scene.row(row.key)).state.issues, undefined);
      });
    }

    describe("a declaration that comes back before its clean-up", () => {
      const left = async (scene: Scene, state: Partial<RowState> = {}) => {
        const row = await scene.settled(WHEEL, {}, { pushed: [aPushed("db", { version: 3 })], ...state });
        await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
        return scene.row(cleanupKey(row.key, row.declared.uid));
      };
      const back = async (scene: Scene, overrides: Partial<Declared> = {}) => {
        const { key, state } = await scene.declare({ hash: "changed", ...overrides });
        return [state.pushed, (await scene.store.read([cleanupKey(key, aDeclared().uid)], "strong")).size];
      };

      it("lease-table 31: has its paths in Vault again, and the clean-up is gone", async () => {
        await using scene = await aScene(open);
        const { key } = await left(scene);
        assert.deepEqual(await back(scene), [[aPushed("db", { version: 3 })], 0]);
        assert.deepEqual(await scene.readers(), [aKey()]);
        assert.deepEqual(await scene.dueKeys(), [aKey()]);
        // Nobody else gets the path, and its row may have it as before.
        const other = await scene.declare({ key: aKey("other"), uid: "other" });
        const taken = (await scene.claimPush(other, [aPushed()])) ?? assert.fail();
        assert.deepEqual("by" in taken && taken.by, aKey());
        assert.ok("lease" in ((await scene.claimPush(await scene.row(aKey()), [aPushed()])) ?? {}));
        assert.notEqual(key, aKey());
      });

      it("lease-table 31: has its paths and the events that were not sent yet, which are found there", async () => {
        await using scene = await aScene(open);
        const unsent = [{ id: "1", kind: "SecretSynced", at: START, detail: {} }] as const;
        await left(scene, { unsent });
        assert.deepEqual(await back(scene), [[aPushed("db", { version: 3 })], 0]);
        assert.deepEqual(await scene.store.unsent(START + 1, 10), [{ key: aKey(), events: unsent }]);
        await scene.store.clearUnsent(aKey(), ["1"]);
        assert.deepEqual(await scene.store.unsent(START + 1, 10), []);
      });

      it("lease-table 8: has not while a worker may be at the clean-up, or at what it was before", async () => {
        await using claimed = await aScene(open);
        await claimed.claim(await left(claimed));
        assert.deepEqual(await back(claimed), [undefined, 1]);
        await using busy = await aScene(open);
        const row = await busy.settled(WHEEL, {}, { pushed: [aPushed()] });
        await busy.claim(row);
        await busy.store.tombstone(row.key, row.declared.uid, busy.clock());
        assert.deepEqual(await back(busy), [undefined, 1]);
      });

      it("lease-table 28: has not while the clean-up has a Secret or a Vault lease as well", async () => {
        for (const more of [{ owned: [{ name: "db" }] }, { issues: [anIssue()] }]) {
          await using scene = await aScene(open);
          await left(scene, more);
          assert.deepEqual(await back(scene), [undefined, 1]);
        }
      });

      it("lease-table 8: another object of that name has not", async () => {
        await using scene = await aScene(open);
        await left(scene);
        assert.deepEqual(await back(scene, { uid: "another" }), [undefined, 1]);
      });
    });

    it("lease-table 28: merged with an earlier clean-up nothing is dropped, also beyond four issues", async () => {
      await using scene = await aScene(open);
      const { key, declared } = await scene.settled(
        WHEEL,
        {},
        {
          owned: [{ name: "old" }],
          issues: ["1", "2", "3"].map((serial) => anIssue({ serial })),
          pushed: [aPushed("old")],
        },
      );
      await scene.store.tombstone(key, declared.uid, scene.clock());
      await scene.settled(
        WHEEL,
        {},
        {
          owned: [{ name: "new" }],
          issues: ["3", "4", "5"].map((serial) => anIssue({ serial, state: "got" })),
          pushed: [aPushed("new")],
        },
      );
      await scene.store.tombstone(key, declared.uid, scene.clock());
      const { owned, issues = [], pushed = [] } = (await scene.row(cleanupKey(key, declared.uid))).state;
      assert.deepEqual(owned.map(({ name }) => name).toSorted(), ["new", "old"]);
      assert.deepEqual(issues.map(({ serial, state }) => `${serial} ${state}`).toSorted(), [
        "1 live",
        "2 live",
        "3 got",
        "4 got",
        "5 got",
      ]);
      assert.deepEqual(pushed.map(({ path }) => path).toSorted(), ["new", "old"]);
    });

    for (const how of ["tombstoned", "retired"] as const) {
      it(`lease-table 28: once a row of that uid is ${how} again, a worker of the earlier clean-up stores nothing`, async () => {
        await using scene = await aScene(open);
        const leave = async () => {
          const { key, declared } = await scene.settled(WHEEL, {}, { issues: [anIssue()] });
          if (how === "tombstoned") await scene.store.tombstone(key, declared.uid, scene.clock());
          else await scene.store.retire(key, START + 24 * HOUR_MS, scene.clock());
          return cleanupKey(key, declared.uid);
        };
        const key = await leave();
        let lease = await scene.claim(await scene.row(key));
        // Its fence is far ahead of that of a new row.
        for (let runs = 0; runs < 5; runs++) {
          await scene.settle(lease, { kind: "parked" }, { issues: [anIssue()] });
          lease = await scene.claim(await scene.row(key));
        }
        await leave();
        const merged = await scene.row(key);
        assert.ok(merged.fence > lease.fence, `${merged.fence} ${lease.fence}`);
        assert.equal(await scene.settle(lease, WHEEL), "lost");
        assert.deepEqual(await scene.row(key), merged);
      });
    }

    it("lease-table 28: a clean-up is found by its targets and its pushed paths, and by nothing else", async () => {
      await using scene = await aScene(open);
      const state = { issues: [anIssue()], pushed: [aPushed()], refs: [aReferenceKey()], place: aPlace("read") };
      const row = await scene.settled(WHEEL, {}, state);
      await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
      const key = cleanupKey(row.key, row.declared.uid);
      assert.deepEqual(await scene.referring("target:t1"), [key]);
      assert.deepEqual(await scene.referring(aReferenceKey()), []);
      assert.deepEqual(await scene.readers("kv/read"), []);
      assert.deepEqual(await scene.readers(), [key]);
    });

    it("lease-table 28: a row with issues can't be released, and one without is", async () => {
      await using scene = await aScene(open);
      const leased = await scene.settled(WHEEL, {}, { issues: [anIssue()] });
      await assert.rejects(scene.store.release(leased.key), /can't be forgotten/);
      assert.deepEqual(await scene.row(leased.key), leased);
      const plain = await scene.settled(WHEEL, { key: aKey("plain") }, { owned: [{ name: "plain" }], place: aPlace() });
      scene.writes();
      await scene.store.release(plain.key);
      assert.equal(scene.writes(), 1);
      await scene.store.release(plain.key);
      assert.equal(scene.writes(), 0);
      assert.equal((await scene.store.read([plain.key], "strong")).size, 0);
      assert.deepEqual(await scene.readers(), []);
    });

    it("lease-table 28: a row that is retired keeps its issues and its renewals, and lets go of the rest", async () => {
      await using scene = await aScene(open);
      const state = {
        ...{ issues: [anIssue()], own: { step: 1 }, owned: [{ name: "db" }], pushed: [aPushed()] },
        ...{ refs: [aReferenceKey()], place: aPlace("read") },
      };
      const row = await scene.settled(WHEEL, {}, state, { renew: RENEW });
      const until = START + 24 * HOUR_MS;
      const key = cleanupKey(row.key, row.declared.uid);
      const due = await scene.store.retire(row.key, until, scene.clock());
      assert.deepEqual(due, { key, group: row.declared.group, lane: "now", at: until });
      const left = await scene.row(key);
      assert.deepEqual([left.wheel, left.renew, left.dueAt, left.leaseUntil], [undefined, RENEW, until, undefined]);
      const { issues, retainUntil, own, owned, pushed, refs, place } = left.state;
      assert.deepEqual({ issues, retainUntil, own }, { issues: state.issues, retainUntil: until, own: state.own });
      assert.deepEqual({ owned, pushed, refs, place }, { owned: [], pushed: undefined, refs: [], place: undefined });
      assert.equal((await scene.store.read([row.key], "strong")).size, 0);
      assert.deepEqual(await scene.store.byCluster("east"), []);
      assert.deepEqual([await scene.readers(), await scene.readers("kv/read")], [[], []]);
      assert.deepEqual(await scene.referring(aReferenceKey()), []);
      assert.deepEqual(await scene.referring("target:t1"), [key]);
      assert.deepEqual(
        (await scene.store.onWheel("renew", 8, 3, 3)).map((entry) => entry.key),
        [key],
      );
      assert.deepEqual(
        (await scene.store.retired()).map((summary) => summary.key),
        [key],
      );
      const lease = await scene.claim(left);
      assert.equal(await scene.settle(lease, { kind: "gone" }), "settled");
      assert.deepEqual(await scene.store.retired(), []);
      assert.deepEqual(await scene.store.onWheel("renew", 8, 3, 3), []);
    });

    it("lease-table 28: a retired row is due before the end of its retention when something of it ends before", async () => {
      for (const state of ["asking", "ending"] as const) {
        await using scene = await aScene(open);
        const endAt = START + 40_000;
        const row = await scene.settled(WHEEL, {}, { issues: [anIssue(), anIssue({ serial: "0002", state, endAt })] });
        const due = await scene.store.retire(row.key, START + HOUR_MS, scene.clock());
        assert.equal(due?.at, endAt);
        assert.equal((await scene.row(cleanupKey(row.key, row.declared.uid))).dueAt, endAt);
      }
    });

    it("lease-table 28: a row without issues is released when it is retired", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { owned: [{ name: "db" }], pushed: [aPushed()] });
      assert.equal(await scene.store.retire(row.key, START + HOUR_MS, scene.clock()), undefined);
      assert.equal((await scene.store.read([row.key], "strong")).size, 0);
      assert.deepEqual([await scene.store.retired(), await scene.readers()], [[], []]);
      assert.equal(await scene.store.retire(row.key, START + HOUR_MS, scene.clock()), undefined);
    });

    it("lease-table 28: a row whose declaration changed since it was read is neither retired nor released", async () => {
      await using scene = await aScene(open);
      const leased = await scene.settled(WHEEL, {}, { issues: [anIssue()] });
      const plain = await scene.settled(WHEEL, { key: aKey("plain") });
      const end = async (ofLeased: string, ofPlain: string) => {
        const due = await scene.store.retire(leased.key, START + HOUR_MS, scene.clock(), ofLeased);
        await scene.store.release(plain.key, ofPlain);
        return [due !== undefined, (await scene.store.read([leased.key, plain.key], "strong")).size];
      };
      assert.deepEqual(await end("another", "another"), [false, 2]);
      assert.deepEqual(await end(leased.declared.hash, plain.declared.hash), [true, 0]);
    });

    it("lease-table 28: a clean-up that is retired keeps its key and is carried on now, not at the end of the retention", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { issues: [anIssue()], owned: [{ name: "db" }] });
      await scene.store.tombstone(row.key, row.declared.uid, scene.clock());
      const key = cleanupKey(row.key, row.declared.uid);
      const due = await scene.store.retire(key, START + 24 * HOUR_MS, scene.clock());
      assert.deepEqual([due?.key, due?.at], [key, scene.clock()]);
      const { issues, owned, retainUntil } = (await scene.row(key)).state;
      assert.deepEqual([issues, owned, retainUntil], [[anIssue()], [], undefined]);
    });

    it("lease-table 28: who holds a row that is retired stores nothing more, and its clean-up knows until when", async () => {
      await using scene = await aScene(open);
      const lease = await scene.claim(await scene.settled(WHEEL, {}, { issues: [anIssue()] }));
      await scene.store.retire(lease.key, START + HOUR_MS, scene.clock());
      const state = { ...lease.state, issues: [] };
      assert.equal(await scene.store.record(lease, state, scene.clock()), "lost");
      assert.equal(await scene.settle(lease, WHEEL), "lost");
      const left = await scene.row(cleanupKey(lease.key, lease.uid));
      assert.deepEqual([left.state.busyUntil, left.state.issues], [START + LEASE_MS, [anIssue()]]);
    });

    it("lease-table 28: a declaration that comes back has a row of its own beside the retired one", async () => {
      await using scene = await aScene(open);
      const row = await scene.settled(WHEEL, {}, { issues: [anIssue()] });
      await scene.store.retire(row.key, START + HOUR_MS, scene.clock());
      const back = await scene.declare();
      assert.deepEqual([back.state.issues, back.dueAt], [undefined, scene.clock()]);
      assert.deepEqual((await scene.row(cleanupKey(row.key, row.declared.uid))).state.issues, [anIssue()]);
      // Retired again, with another issue: both are kept, under one key.
      await scene.settle(await scene.claim(back), WHEEL, { issues: [anIssue({ serial: "0002" })] });
      await scene.store.retire(row.key, START + 2 * HOUR_MS, scene.clock());
      const { issues = [], retainUntil } = (await scene.row(cleanupKey(row.key, row.declared.uid))).state;
      assert.deepEqual(issues.map(({ serial }) => serial).toSorted(), ["0001", "0002"]);
      assert.equal(retainUntil, START + 2 * HOUR_MS);
    });
  });
}
