import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { objectOf, pathOf, permissionOf } from "../../../lib/kubernetes/kube-call.ts";
import { requestCounts } from "../../../lib/kubernetes/request-counts.ts";
import { cut } from "../../../lib/kubernetes/resource-event.ts";
import { SECRET, VAULT_STATIC_SECRET } from "../../../lib/resource-kinds.ts";

const CLUSTER = { cluster: "prod-eu" };

describe("requests", () => {
  it("have the paths of the core group and of others, with and without a namespace", () => {
    const secrets = { ...CLUSTER, kind: SECRET };
    assert.equal(
      pathOf({ ...secrets, verb: "list", query: { limit: "500", labelSelector: "a=b,c" } }),
      "/api/v1/secrets?limit=500&labelSelector=a%3Db%2Cc",
    );
    assert.equal(
      pathOf({ ...secrets, verb: "get", namespace: "pay", name: "db" }),
      "/api/v1/namespaces/pay/secrets/db",
    );
    assert.equal(
      pathOf({
        ...CLUSTER,
        verb: "patch",
        kind: VAULT_STATIC_SECRET,
        namespace: "pay",
        name: "db",
        subresource: "status",
      }),
      "/apis/secrets.hashicorp.com/v1beta1/namespaces/pay/vaultstaticsecrets/db/status",
    );
  });

  it("can't leave their path by a name", () => {
    const call = { ...CLUSTER, verb: "get", kind: SECRET, namespace: "../x", name: "a?b/c" } as const;
    assert.equal(pathOf(call), "/api/v1/namespaces/..%2Fx/secrets/a%3Fb%2Fc");
  });

  it("are named as roles name them", () => {
    const call = {
      ...CLUSTER,
      verb: "patch",
      kind: VAULT_STATIC_SECRET,
      subresource: "status",
      namespace: "pay",
      name: "db",
    } as const;
    assert.equal(permissionOf(call), "patch vaultstaticsecrets/status in namespace pay of cluster prod-eu");
    assert.equal(objectOf(call), "vaultstaticsecrets/status pay/db in cluster prod-eu");
    assert.equal(permissionOf({ ...CLUSTER, verb: "list", kind: SECRET }), "list secrets of cluster prod-eu");
  });

  it("are counted by verb and resource", () => {
    const { counts, counted } = requestCounts();
    counted({ ...CLUSTER, verb: "get", kind: SECRET });
    counted({ ...CLUSTER, verb: "get", kind: SECRET });
    counted({ ...CLUSTER, verb: "patch", kind: SECRET });
    assert.deepEqual(
      [counts.count(), counts.count("get"), counts.count("patch", "secrets"), counts.count("list")],
      [3, 2, 1, 0],
    );
    counts.reset();
    assert.equal(counts.count(), 0);
  });
});

describe("an event's message", () => {
  it("kubernetes-rules 18: fits, and ends with a whole character", () => {
    assert.equal(cut("short", 1024), "short");
    for (const [text, max, expected] of [
      ["aé", 2, "a"],
      ["a😀b", 4, "a"],
      ["a😀b", 5, "a😀"],
      ["éé", 4, "éé"],
    ] as const) {
      assert.equal(cut(text, max), expected);
    }
  });
});
