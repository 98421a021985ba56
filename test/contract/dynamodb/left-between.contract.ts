import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { aDeclared, anIssue } from "../../builders.ts";
import type { Dynalite } from "../../harness/dynalite.ts";
import { START } from "../lease-store/scene.ts";
import { betweenWorld, KEY, WHEEL } from "./between-world.ts";

/** What happens to a row between its read and the write that ends it. */
export function dynamoLeftBetweenContract(dynalite: () => Dynalite): void {
  const world = () => betweenWorld(dynalite());

  describe("between the read and the end of a row", () => {
    it("lease-table 8: a declaration that changes meanwhile is what its clean-up has", async () => {
      using it = await world();
      const { lease } = await it.claim();
      const state = { ...EMPTY_STATE, owned: [{ name: "db" }] };
      await it.other.settle(lease, { state, schedule: WHEEL, now: START });
      const changed = aDeclared({ hash: "changed", spec: { changed: true } });
      it.before("TransactWriteItemsCommand", () => it.other.declare(changed, START));
      const { key = KEY } = (await it.store.tombstone(KEY, lease.uid, START)) ?? {};
      const left = (await it.other.read([key, KEY], "strong")).get(key);
      assert.deepEqual(left?.declared, { ...changed, key: cleanupKey(KEY, lease.uid) });
    });

    it("lease-table 28: what a row gets meanwhile keeps it as a clean-up, whether it is tombstoned or retired", async () => {
      for (const how of ["tombstone", "retire"] as const) {
        using it = await world();
        await it.settle((await it.claim()).lease);
        it.before("DeleteItemCommand", async () => {
          const { lease } = await it.claim();
          await it.other.record(lease, { ...EMPTY_STATE, issues: [anIssue()] }, START);
        });
        const { uid } = (await it.row()).declared;
        const due =
          how === "retire"
            ? await it.store.retire(KEY, START + HOUR_MS, START)
            : await it.store.tombstone(KEY, uid, START);
        const key = cleanupKey(KEY, uid);
        assert.equal(due?.key, key, how);
        const rows = await it.other.read([KEY, key], "strong");
        assert.deepEqual([rows.has(KEY), rows.get(key)?.state.issues], [false, [anIssue()]], how);
      }
    });
  });
}
