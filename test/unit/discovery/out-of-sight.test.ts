import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { circuitOfCluster } from "../../../lib/circuits.ts";
import { clustersOutOfSight, outOfSightSince } from "../../../lib/discovery/out-of-sight.ts";
import type { Circuit, ClusterRow } from "../../../lib/ports/store.ts";

const row = (outOfSight?: number, name = "east") =>
  ({ name, state: { cursors: {}, attempts: 0, ...(outOfSight === undefined ? {} : { outOfSight }) } }) as ClusterRow;
const circuit = (since: number, name = "east") => ({ id: circuitOfCluster(name), since }) as Circuit;

describe("a cluster that can't be read", () => {
  it("is out of sight since its watch pass failed or its circuit opened, whichever was first", () => {
    assert.equal(outOfSightSince("east", row(), []), undefined);
    assert.equal(outOfSightSince("east", undefined, []), undefined);
    assert.equal(outOfSightSince("east", row(0), []), 0);
    assert.equal(outOfSightSince("east", undefined, [circuit(7)]), 7);
    assert.equal(outOfSightSince("east", row(5), [circuit(7)]), 5);
    assert.equal(outOfSightSince("east", row(9), [circuit(7)]), 7);
    assert.equal(outOfSightSince("east", row(), [circuit(7, "west")]), undefined);
  });

  it("is told of, if the fleet has it", () => {
    const rows = [row(5), row(undefined, "west"), row(5, "gone")];
    assert.deepEqual(clustersOutOfSight(["west", "east", "north", "new"], rows, [circuit(7, "north")]), [
      "east",
      "north",
    ]);
  });
});
