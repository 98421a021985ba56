import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SECOND_MS } from "../../../lib/clock.ts";
import { EMPTY_STATE, type Row } from "../../../lib/ports/rows.ts";
import { phaseOf } from "../../../lib/schedule/wheel.ts";
import { aDeclared, aKey } from "../../builders.ts";
import { aScene, LEASE_MS, type OpenStore, START } from "./scene.ts";

const AT_ONCE = 250;

/** In the order of the list, some at once. */
async function each<T, R>(list: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < list.length; from += AT_ONCE) {
    for (const result of await Promise.all(list.slice(from, from + AT_ONCE).map(work))) results.push(result);
  }
  return results;
}

export function scaleContract(open: OpenStore, count: number): void {
  describe("many rows", () => {
    it(`${count} syncs are declared, carried out and come round`, { timeout: 300_000 }, async (t) => {
      await using scene = await aScene(open);
      const { store } = scene;
      let since = performance.now();
      const lap = (what: string, done: number): void => {
        const ms = performance.now() - since;
        t.diagnostic(`${what}: ${done} in ${ms.toFixed(1)} ms, ${Math.round((done / ms) * 1_000)}/s`);
        since = performance.now();
      };

      const keys = Array.from({ length: count }, (_, n) => aKey(`n${n}`));
      await each(keys, (key) => store.declare(aDeclared({ key }), START));
      lap("declared", count);

      const rows: Row[] = [];
      for (let from = 0; from < count; from += 25) {
        for (const row of (await store.read(keys.slice(from, from + 25), "strong")).values()) rows.push(row);
      }
      lap("read", rows.length);

      const claims = await each(rows, (row) => store.claim(row, { now: START, until: START + LEASE_MS }));
      lap("claimed", claims.filter((claim) => claim !== undefined).length);

      const outcomes = await each(claims, async (claim) => {
        if (claim === undefined) return "lost";
        const slot = { period: 57, phase: phaseOf(claim.row.declared.group, 57) };
        return store.settle(claim.lease, { state: EMPTY_STATE, schedule: { kind: "wheel", slot }, now: START });
      });
      lap("settled", outcomes.filter((outcome) => outcome === "settled").length);
      assert.ok(outcomes.every((outcome) => outcome === "settled"));

      const seconds: number[] = [];
      for (let phase = 0; phase < 57; phase++) seconds.push((await store.onWheel("refresh", 57, phase, phase)).length);
      const onWheel = seconds.reduce((sum, each) => sum + each, 0);
      lap("dispatched, a second at a time", onWheel);
      assert.equal(onWheel, count);
      // Even by construction: each second gets its share, within what chance explains.
      const share = count / 57;
      const worst = Math.max(...seconds.map((second) => Math.abs(second - share)));
      assert.ok(worst < 5 * Math.sqrt(share), `${worst} off ${share}`);

      assert.equal((await store.due({ after: 0, until: START + SECOND_MS, now: START }, 10)).length, 0);
      assert.equal((await store.byCluster("east")).length, count);
      lap("listed", count);
    });
  });
}
