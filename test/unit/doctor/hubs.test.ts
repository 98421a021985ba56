import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hubFindings } from "../../../lib/doctor/hubs.ts";

describe("hubs", () => {
  it("one that can't be read, and an object that is no cluster, are errors", () => {
    const error = { code: "CLUSTER_DUPLICATE", message: "another cluster has this name", since: 0 } as const;
    const refused = [{ hub: "argo", object: "cluster-a", name: "prod", error }];
    const [unread, double] = hubFindings({ unread: [{ name: "lost" }], troubled: [], refused });
    assert.deepEqual([unread?.code, unread?.where], ["HUB_UNREAD", "hub lost in fleet.yaml"]);
    assert.equal(unread?.what, "it could not be read");
    assert.equal(double?.code, "HUB_CLUSTER_REFUSED");
    assert.match(double?.what ?? "", /^CLUSTER_DUPLICATE: another cluster has this name$/);
    assert.match(double?.where ?? "", /hub argo: cluster-a \(prod\)/);
    assert.deepEqual(hubFindings({ unread: [], troubled: [], refused: [] }), []);
  });

  it("one that can't be read is told once, with the cause, also when its clusters are known from earlier", () => {
    const lost = { name: "lost", error: { code: "KUBE_DENIED", message: "may not list secrets", since: 0 } } as const;
    for (const unread of [[lost], []]) {
      const findings = hubFindings({ unread, troubled: [lost, { name: "shrunk" }], refused: [] });
      assert.deepEqual(
        findings.map(({ where, what }) => [where, what]),
        [["hub lost in fleet.yaml", "KUBE_DENIED: may not list secrets"]],
      );
    }
  });
});
