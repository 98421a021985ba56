import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memory } from "../../../lib/admission/memory.ts";

describe("the memory of requests", () => {
  it("is limited for a cluster, and comes back when requests end", () => {
    const { share } = memory({ ofCluster: 10, inAll: 100, atLeast: 1 });
    const [first, second] = [share("a"), share("a")];
    assert.equal(first.take(6), true);
    assert.equal(second.take(5), false);
    assert.equal(second.take(4), true);
    assert.equal(share("b").take(10), true, "another cluster has its own");
    first.release();
    first.release();
    assert.equal(second.take(6), true);
    assert.equal(second.take(1), false);
    assert.equal(first.take(1), false, "it is over");
  });

  it("always has room for one more cluster, however many take all they get", () => {
    const { share } = memory({ ofCluster: 1_000, inAll: 10_000, atLeast: 20 });
    for (let at = 0; at < 50; at++) {
      const cluster = `greedy-${at}`;
      while (share(cluster).take(10));
    }
    const modest = share("modest");
    assert.equal(modest.take(20), true);
    assert.equal(modest.take(10), false);
  });

  it("never refuses what takes less than before, and counts what takes more", () => {
    const { share } = memory({ ofCluster: 10, inAll: 20, atLeast: 1 });
    const early = share("a");
    assert.equal(early.take(8), true);
    for (const other of ["b", "c"]) while (share(other).take(1));
    assert.equal(early.take(1), false, "others have the rest");
    assert.equal(early.become(8), true);
    assert.equal(early.become(3), true);
    assert.equal(early.become(10), false);
    early.release();
    assert.equal(share("d").take(4), true, "it is free again");
  });
});
