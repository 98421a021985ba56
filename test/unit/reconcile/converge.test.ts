import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Destination } from "../../../lib/destinations/destination.ts";
import { simulatedClaim } from "../../../lib/plan/simulated-claim.ts";
import { converge } from "../../../lib/reconcile/converge.ts";
import { aRow } from "../../builders.ts";

/** A counter that should reach `goal`; each act adds one. */
function counter(goal: number): Destination<number, "add"> {
  return {
    start: 0,
    name: "the counter",
    decide: (count) => (count === goal ? undefined : "add"),
    act: async (_decision, count) => count + 1,
    learned: () => ({ owned: [] }),
    describe: () => undefined,
  };
}

const run = (destination: Destination<number, "add">) =>
  converge(destination, simulatedClaim(aRow()), new AbortController().signal);

describe("converge", () => {
  it("acts until nothing is left to do, and not at all where nothing is", async () => {
    assert.equal(await run(counter(3)), 3);
    assert.equal(await run({ ...counter(0), act: () => assert.fail("nothing was to be done") }), 0);
  });

  it("gives up on a destination that someone else keeps changing, after eight steps", async () => {
    assert.equal(await run(counter(7)), 7);
    await assert.rejects(run(counter(9)), {
      code: "DESTINATION_UNSETTLED",
      message: /the counter changed again after each of 8/,
    });
  });
});
