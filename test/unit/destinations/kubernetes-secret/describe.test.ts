import assert from "node:assert/strict";
import { describe as group, it } from "node:test";
import { changesOf } from "../../../../lib/destinations/kubernetes-secret/changes.ts";
import { describe } from "../../../../lib/destinations/kubernetes-secret/describe.ts";
import type { Work } from "../../../../lib/destinations/kubernetes-secret/state.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import type { SeenSecret } from "../../../../lib/ports/secrets.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aRow } from "../../../builders.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const OWNER = { apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name: "db", uid: "u" };
const dataOf = (text: string) => new Map([["password", SecretValue.of(text)]]);
const THERE: SeenSecret = {
  ...{ uid: "u1", resourceVersion: "7", type: "Opaque", immutable: false, deleting: false },
  ...{ labels: {}, annotations: {}, ownerReferences: [OWNER], data: dataOf("one") },
  managed: { fingerprint: "m", ours: true, vso: false },
};

/** The work on a Secret that is to have this password. */
function aWork(text: string, secret: SeenSecret | "absent" | "unread" = THERE): Work {
  const data = dataOf(text);
  const wanted = { name: "db", create: true, overwrite: false, type: "Opaque", labels: {}, annotations: {} };
  return {
    secret: { cluster: "east", namespace: "shop", name: "db" },
    data,
    seen: {
      ...{ row: aRow(), destination: { ...wanted, ownerReference: OWNER }, observe: "watch", key: KEY, secret },
      ...{ digest: digestOf(KEY, data), applied: false },
      ...(typeof secret === "object" ? { secretDigest: digestOf(KEY, secret.data) } : {}),
    },
  };
}

const changes = (work: Work) =>
  changesOf(KEY, typeof work.seen.secret === "object" ? work.seen.secret : undefined, work);
const AT_7 = { uid: "u1", resourceVersion: "7", because: "it differs" };

group("what a decision does to a Secret, for a plan", () => {
  const [same, other, none] = [aWork("one"), aWork("two"), aWork("two", "absent")];

  it("is a change, with its reason and what is changed", () => {
    for (const [decision, work, action, because] of [
      [{ do: "create" }, none, "create", "it does not exist"],
      [{ do: "recreate", seen: THERE }, other, "recreate", "its type changes"],
      [
        { do: "take-over", resourceVersion: "7" },
        other,
        "take-over",
        "Vault Secrets Operator wrote it, and it differs",
      ],
      [
        { do: "take-over", resourceVersion: "7" },
        same,
        "take-over",
        "Vault Secrets Operator wrote it, and its declaration changed",
      ],
      [{ do: "replace", uid: "u1", because: "it differs" }, other, "update", "it differs"],
      [{ do: "apply", ...AT_7 }, other, "update", "it differs"],
    ] as const) {
      assert.deepEqual(describe(decision, work), { action, because, changes: changes(work) }, decision.do);
    }
  });

  it("is an adoption where it changes nothing", () => {
    assert.deepEqual(describe({ do: "apply", ...AT_7 }, same), { action: "adopt", because: "it differs" });
    assert.deepEqual(describe({ do: "adopt", seen: THERE }, same), {
      action: "adopt",
      because: "in step, but not recorded yet",
    });
  });

  it("is nothing that people see where it only looks, asserts, or removes former names", () => {
    for (const decision of [
      { do: "observe" },
      { do: "reassert", uid: "u1", resourceVersion: "7" },
      { do: "stand-beside", seen: THERE },
      { do: "prune", names: ["former"] },
    ] as const) {
      assert.equal(describe(decision, other), undefined, decision.do);
    }
  });
});
