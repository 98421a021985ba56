import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { aDeclared, aKey, anIssue, aPushed } from "../../builders.ts";
import type { Dynalite } from "../../harness/dynalite.ts";
import { LEASE_MS, START } from "../lease-store/scene.ts";
import { betweenWorld, KEY, WHEEL } from "./between-world.ts";

/** What happens between the read and the write of one operation: another worker is quicker. */
export function dynamoBetweenContract(dynalite: () => Dynalite): void {
  const world = () => betweenWorld(dynalite());

  describe("between a read and a write", () => {
    it("lease-table 9: a nudge of a due row that is carried out meanwhile has it carried out once more", async () => {
      for (const many of [false, true]) {
        using it = await world();
        const nudge = { now: START + HOUR_MS, verify: true };
        it.before("UpdateItemCommand", async () => it.settle((await it.claim()).lease, { kind: "parked" }));
        const due = many ? (await it.store.nudgeAll([KEY], nudge))[0] : await it.store.nudge(KEY, nudge);
        assert.equal(due?.at, nudge.now);
        const { dueAt, verify } = await it.row();
        assert.deepEqual([dueAt, verify], [nudge.now, true]);
      }
    });

    it("lease-table 9: a nudge of a claimed row that is settled meanwhile does not wait for the end of that lease", async () => {
      using it = await world();
      const { lease } = await it.claim();
      it.before("UpdateItemCommand", () => it.settle(lease, { kind: "due", at: lease.until }));
      const due = await it.store.nudge(KEY, { now: START, verify: true });
      assert.equal(due?.at, START + 2_000);
      assert.equal((await it.row()).dueAt, START + 2_000);
    });

    it("lease-table 9: a nudge of a row that an earlier version claimed is not taken for one that was seen", async () => {
      using it = await world();
      await it.settle((await it.claim()).lease);
      // It does not say which nudges its claim saw.
      const { fence, nudges } = await it.row();
      const claimed = { fence: fence + 1, leaseUntil: START + LEASE_MS, dueAt: START + LEASE_MS, nudges: nudges + 1 };
      await dynalite().client.send(
        new UpdateItemCommand({
          TableName: it.table,
          Key: { pk: { S: KEY }, sk: { S: "sync" } },
          UpdateExpression: "SET fence = :fence, leaseUntil = :leaseUntil, dueAt = :dueAt, nudges = :nudges",
          ExpressionAttributeValues: Object.fromEntries(
            Object.entries(claimed).map(([name, value]) => [`:${name}`, { N: String(value) }]),
          ),
        }),
      );
      assert.equal((await it.store.nudge(KEY, { now: START, verify: false }))?.at, START + LEASE_MS);
      assert.equal((await it.row()).nudges, nudges + 2);
    });

    it("lease-table 28: a claim that reads names again does not overwrite what is recorded meanwhile", async () => {
      using it = await world();
      const { lease } = await it.claim();
      const read = await it.row();
      const now = START + LEASE_MS;
      it.before("UpdateItemCommand", () =>
        it.other.record(lease, { ...EMPTY_STATE, owned: [{ name: "recorded" }] }, now - 1),
      );
      assert.equal(
        await it.store.claim(read, { now, until: now + LEASE_MS, owned: [{ name: "new" }] }),
        undefined,
        "the next one reads it",
      );
      assert.deepEqual((await it.row()).state.owned, [{ name: "recorded" }]);
    });

    it("lease-table 28: nor what is recorded a second time meanwhile", async () => {
      using it = await world();
      const { lease } = await it.claim();
      const recording = (name: string) => it.other.record(lease, { ...EMPTY_STATE, owned: [{ name }] }, START);
      await recording("first");
      const read = await it.row();
      const now = START + LEASE_MS;
      it.before("UpdateItemCommand", () => recording("second"));
      const options = { now, until: now + LEASE_MS, owned: [{ name: "new" }] };
      assert.equal(await it.store.claim(read, options), undefined);
      assert.deepEqual((await it.row()).state.owned, [{ name: "second" }]);
    });

    it("lease-table 31: a claim of a path overwrites no nudge, declaration or record, and gives way to a claim", async () => {
      const claimPush = async (it: Awaited<ReturnType<typeof world>>, now = START) => {
        const read = await it.row();
        return (work: () => Promise<unknown>) => {
          it.before("TransactWriteItemsCommand", work);
          return it.store.claimPush(read, { now, until: now + LEASE_MS, pushed: [aPushed()] });
        };
      };
      {
        using it = await world();
        const claimed = await (await claimPush(it))(() => it.other.nudge(KEY, { now: START, verify: true }));
        assert.ok(claimed && "lease" in claimed);
        assert.deepEqual([claimed.row.verify, claimed.row.nudges, claimed.lease.nudges], [true, 1, 0]);
        assert.deepEqual(await it.row(), claimed.row);
      }
      {
        using it = await world();
        const changed = aDeclared({ hash: "changed", generation: 2 });
        const claimed = await (await claimPush(it))(() => it.other.declare(changed, START));
        assert.ok(claimed && "lease" in claimed);
        assert.deepEqual(claimed.row.declared, changed);
        assert.deepEqual(await it.row(), claimed.row);
      }
      {
        using it = await world();
        const { lease } = await it.claim();
        const now = START + LEASE_MS;
        const recorded = { ...EMPTY_STATE, issues: [anIssue({ state: "asking" })] };
        const claimed = await (await claimPush(it, now))(() => it.other.record(lease, recorded, now - 1));
        assert.ok(claimed && "lease" in claimed);
        assert.deepEqual(claimed.row.state, { ...recorded, pushed: [aPushed()] });
        assert.deepEqual(await it.row(), claimed.row);
      }
      {
        using it = await world();
        assert.equal(await (await claimPush(it))(() => it.claim()), undefined);
        assert.equal((await it.row()).state.pushed, undefined);
      }
    });

    describe("the end of a run, and the clean-up that waits for it", () => {
      /** A run at work on a row whose declaration went, and the clean-up that waits for it. */
      const waiting = async (settles: boolean) => {
        const it = await world();
        const { lease: run } = await it.claim();
        const key = cleanupKey(KEY, run.uid);
        await it.other.tombstone(KEY, run.uid, START);
        const row = async () => (await it.other.read([key], "strong")).get(key) ?? assert.fail();
        const claim = async () =>
          (await it.other.claim(await row(), { now: START, until: START + LEASE_MS / 2 })) ?? assert.fail();
        const { lease, row: claimed } = await claim();
        const settle = (by = lease, state = claimed.state, at = run.until) =>
          it.other.settle(by, { state, schedule: { kind: "due", at }, now: START });
        if (settles) await settle();
        const end = (work: () => Promise<unknown>) => {
          it.before("UpdateItemCommand", work);
          return it.store.endRun(run, START);
        };
        return { ...it, run, row, claim, lease, claimed, settle, end };
      };

      it("lease-table 8: is due at once when that settles meanwhile", async () => {
        using it = await waiting(false);
        assert.equal((await it.end(() => it.settle()))?.at, START);
        const { state, dueAt } = await it.row();
        assert.deepEqual([state.busyUntil, dueAt], [undefined, START]);
      });

      it("lease-table 8: keeps its time when that is claimed and settles meanwhile for another reason", async () => {
        using it = await waiting(true);
        const due = await it.end(async () => {
          const { busyUntil: _until, busyFence: _fence, ...state } = it.claimed.state;
          await it.settle((await it.claim()).lease, state, START + HOUR_MS);
        });
        assert.deepEqual([due, (await it.row()).dueAt], [undefined, START + HOUR_MS]);
      });

      it("lease-table 8: leaves it the time that a nudge gives it meanwhile", async () => {
        using it = await waiting(true);
        const { key } = await it.row();
        const due = await it.end(() => it.other.nudge(key, { now: START, verify: false }));
        const { dueAt, state } = await it.row();
        assert.deepEqual([due, dueAt, state.busyUntil], [undefined, START + 2_000, undefined]);
      });

      it("lease-table 8: overwrites nothing that is recorded meanwhile", async () => {
        using it = await waiting(false);
        const state = { ...it.claimed.state, rolledDigest: "recorded" };
        assert.equal(await it.end(() => it.other.record(it.lease, state, START)), undefined);
        const { rolledDigest, busyUntil } = (await it.row()).state;
        assert.deepEqual([rolledDigest, busyUntil], ["recorded", undefined]);
      });

      it("lease-table 8: ends no wait for a later run, whose declaration goes meanwhile", async () => {
        using it = await waiting(true);
        const due = await it.end(async () => {
          await it.other.declare(aDeclared(), START);
          const second = (await it.other.read([KEY], "strong")).get(KEY) ?? assert.fail();
          await it.other.claim(second, { now: START, until: START + HOUR_MS });
          await it.other.tombstone(KEY, it.run.uid, START);
        });
        assert.deepEqual([due, (await it.row()).state.busyUntil], [undefined, START + HOUR_MS]);
      });
    });

    it("lease-table 28: what a later worker waits for stays found when an earlier one lets go of it late", async () => {
      using it = await world();
      const ref = "cause:VAULT_DENIED:1";
      const state = { ...EMPTY_STATE, awaits: [ref] } as const;
      const waits = async () => it.other.settle((await it.claim()).lease, { state, schedule: WHEEL, now: START });
      await waits();
      const { lease } = await it.claim(it.store);
      it.before("DeleteItemCommand", waits);
      assert.equal(await it.store.settle(lease, { state: EMPTY_STATE, schedule: WHEEL, now: START }), "settled");
      assert.deepEqual((await it.row()).state.awaits, [ref]);
      assert.deepEqual((await it.other.byReference(ref)).items, [KEY]);
    });

    it("lease-table 4: a nudged settle that another claim overtakes is lost", async () => {
      using it = await world();
      const { lease } = await it.claim();
      await it.other.nudge(KEY, { now: START, verify: false });
      const now = START + LEASE_MS;
      it.before("UpdateItemCommand", async () => {
        it.before("UpdateItemCommand", () => it.claim(it.other, now));
      });
      const settlement = { state: { ...EMPTY_STATE, digest: "late" }, schedule: WHEEL, now };
      assert.equal(await it.store.settle(lease, settlement), "lost");
      assert.equal((await it.row()).state.digest, undefined);
    });
  });

  describe("what is read, and what is asked for in vain", () => {
    it("lease-table 17: many nudges read their rows in batches, strongly, and once", async () => {
      using it = await world();
      const keys = Array.from({ length: 130 }, (_, n) => aKey(`n${n}`));
      for (const key of keys) await it.other.declare(aDeclared({ key }), START);
      await it.store.read([KEY], "strong");
      it.asked();
      it.spent();
      await it.store.nudgeAll(keys, { now: START, verify: false });
      assert.deepEqual(it.asked(), ["BatchGetItemCommand", "BatchGetItemCommand"]);
      assert.equal(it.spent().reads, 130);
    });

    it("lease-table 8: the end of a run reads its clean-up strongly", async () => {
      using it = await world();
      const { lease } = await it.claim();
      await it.other.tombstone(KEY, lease.uid, START);
      await it.store.read([KEY], "strong");
      it.spent();
      await it.store.endRun(lease, START);
      assert.equal(it.spent().reads, 1);
    });

    it("lease-table 17: a nudge and a claim after a lease that ran out read strongly", async () => {
      using it = await world();
      await it.claim();
      const read = await it.row();
      await it.store.read([KEY], "strong");
      const now = START + LEASE_MS;
      it.spent();
      await it.store.nudge(KEY, { now, verify: false });
      assert.equal(it.spent().reads, 1);
      const claimed = await it.store.claim(read, { now, until: now + LEASE_MS });
      assert.equal(it.spent().reads, 1);
      await it.settle(claimed?.lease ?? assert.fail());
      await it.store.claimPush(await it.row(), { now, until: now + LEASE_MS, pushed: [aPushed()] });
      assert.equal(it.spent().reads, 2, "the row and the path");
    });

    it("lease-table 24: a row that somebody holds is not even asked for", async () => {
      using it = await world();
      await it.claim();
      const read = await it.row();
      const options = { now: START, until: START + LEASE_MS };
      assert.equal(await it.store.claim(read, options), undefined);
      assert.equal(await it.store.claimPush(read, { ...options, pushed: [aPushed()] }), undefined);
      assert.deepEqual(it.asked(), []);
    });

    it("lease-table 17: a claim of a row that nobody held when it was read reads nothing", async () => {
      using it = await world();
      const read = await it.row();
      await it.store.claim(read, { now: START, until: START + LEASE_MS });
      assert.deepEqual(it.asked().filter((command) => command === "UpdateItemCommand").length, 1);
      it.spent();
      await it.settle((await it.claim(it.other, START + LEASE_MS)).lease);
      const again = await it.row();
      it.asked();
      await it.store.claim(again, { now: START, until: START + LEASE_MS });
      assert.deepEqual(it.asked(), ["UpdateItemCommand"]);
    });
  });
}
