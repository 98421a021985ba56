import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { servedByFleet } from "../../../cli/injector/served.ts";
import { type Fleet, parseFleet } from "../../../lib/fleet/fleet.ts";
import { isOneOf, keyHash } from "../../../lib/injector-keys.ts";

function fleetOf(injector: object): Fleet {
  const clusters = [{ name: "east", connect: { kubeconfig: { path: "one" } }, injector }];
  return parseFleet(JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters }), "fleet.yaml");
}

const POD = {
  apiVersion: "admission.k8s.io/v1",
  kind: "AdmissionReview",
  request: {
    uid: "u",
    operation: "CREATE",
    namespace: "shop",
    kind: { kind: "Pod" },
    object: {
      metadata: { annotations: { "vault.hashicorp.com/agent-inject": "true", "vault.hashicorp.com/role": "r" } },
      spec: {
        containers: [{ name: "app", volumeMounts: [{ name: "t", mountPath: "/var/run/secrets/serviceaccount" }] }],
      },
    },
  },
};

describe("the clusters that keyferry run serves", () => {
  it("are those of the fleet at the time of a request, with its keys and settings", () => {
    let fleet = fleetOf({ keys: [keyHash("first")], vaultAddress: "https://vault.example.com" });
    const served = servedByFleet(
      () => fleet,
      { of: () => [] },
      () => 0,
    );
    const east = () => served().get("east") ?? assert.fail("it is not served");
    assert.deepEqual([isOneOf("first", east().keys), isOneOf("second", east().keys)], [true, false]);
    assert.equal(east().review(POD).result, "injected");
    fleet = fleetOf({ keys: [keyHash("second")] });
    assert.deepEqual([isOneOf("first", east().keys), isOneOf("second", east().keys)], [false, true]);
    assert.equal(east().review(POD).result, "refused", "the fleet has no address of Vault any more");
    assert.equal(served().get("west"), undefined);
  });

  it("have the keys that keyferry made for them as well, also without any in fleet.yaml", () => {
    const keys = { of: (name: string) => (name === "east" ? ["made", "before"] : []) };
    const hashes =
      servedByFleet(
        () => fleetOf({ keys: [keyHash("a"), keyHash("b")] }),
        keys,
        () => 0,
      )().get("east")?.keys ?? [];
    for (const key of ["a", "b", "made", "before"]) assert.ok(isOneOf(key, hashes), key);
    assert.ok(!isOneOf("c", hashes));
    assert.ok(
      isOneOf(
        "made",
        servedByFleet(
          () => fleetOf({}),
          keys,
          () => 0,
        )().get("east")?.keys ?? [],
      ),
    );
  });
});
