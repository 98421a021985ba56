import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { clusterOfScope, scopeOfCluster, scopeOfSync } from "../../lib/token-scope.ts";
import { aKey } from "../builders.ts";

describe("what a token was obtained for", () => {
  it("is the cluster of its syncs, whatever that is called", () => {
    assert.equal(scopeOfSync(aKey("db", "west")), "cluster:west");
    for (const cluster of ["east", "fleet"]) {
      const scope = scopeOfCluster(cluster);
      assert.deepEqual([scope, clusterOfScope(scope)], [`cluster:${cluster}`, cluster]);
    }
  });

  it("is the whole fleet, and no cluster", () => {
    assert.equal(clusterOfScope("fleet"), undefined);
  });
});
