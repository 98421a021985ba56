import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { BUGS } from "./simulation/bugs.ts";
import { withBug } from "./simulation/loader.ts";
import { SCHEDULES } from "./simulation/schedules.ts";

describe("the simulation", () => {
  it("runs a seed the same way each time", async () => {
    for (const [{ planOf, run }, seed] of [
      [SCHEDULES.static, 3],
      [SCHEDULES.static, 17],
      [SCHEDULES.issued, 3],
      [SCHEDULES.push, 3],
    ] as const) {
      const [first, second] = [await run(planOf(seed), { trace: true }), await run(planOf(seed), { trace: true })];
      assert.ok(first.trace.length > 100);
      assert.deepEqual(second.trace, first.trace);
      assert.equal(second.hash, first.hash);
      assert.deepEqual(first.violations, []);
    }
  });

  for (const [name, bug] of Object.entries(BUGS)) {
    it(`can put in the bug ${name}: ${bug.what}`, async () => {
      const source = await readFile(new URL(`../../${bug.file}`, import.meta.url), "utf8");
      assert.notEqual(withBug(source, bug), source);
    });
  }
});
