import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { rehearseAnew } from "../../../../lib/destinations/kubernetes-secret/anew.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { isName } from "../../../../lib/kubernetes/resource-object.ts";
import type { DesiredSecret, Rehearsal } from "../../../../lib/ports/secrets.ts";

const DESIRED = { type: "kubernetes.io/tls" } as DesiredSecret;

async function tried(name: string, refusal?: ErrorCode) {
  const writes: { readonly name: string; readonly write: Rehearsal }[] = [];
  const secrets = {
    async rehearse(secret: { readonly name: string }, write: Rehearsal) {
      writes.push({ name: secret.name, write });
      if (refusal !== undefined) throw new SyncError(refusal, "refused");
    },
  };
  const place = { cluster: "east", namespace: "shop", name };
  await rehearseAnew(secrets, place, { uid: "u1" }, DESIRED, new AbortController().signal);
  return writes;
}

describe("the creation of a Secret in place of another one", () => {
  it("is tried under a valid name that begins like its own, and that nobody else has", async () => {
    const [{ name, write } = assert.fail(), ...more] = await tried("db");
    assert.match(name, /^db-keyferry-dry-run-[0-9a-f]{24}$/);
    assert.deepEqual([write, more], [{ kind: "apply", desired: DESIRED, precondition: { kind: "absent" } }, []]);
    for (const long of [
      "a".repeat(253),
      `${"a".repeat(210)}.${"b".repeat(42)}`,
      `${"a".repeat(208)}-.-.${"b".repeat(41)}`,
    ]) {
      const [{ name } = assert.fail()] = await tried(long);
      assert.ok(isName(name), name);
      assert.match(name, /^a+-keyferry-dry-run-/);
    }
  });

  it("throws what refuses it, but a quota, in which the old one still counts, or a right to other names", async () => {
    for (const code of ["ADMISSION_DENIED", "ADMISSION_FAILED", "SECRET_REFUSED", "KUBE_UNREACHABLE"] as const) {
      await assert.rejects(tried("db", code), { code });
    }
    for (const code of ["QUOTA_EXCEEDED", "KUBE_DENIED"] as const) assert.equal((await tried("db", code)).length, 1);
  });
});
