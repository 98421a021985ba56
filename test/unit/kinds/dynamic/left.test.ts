import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { leftDynamic } from "../../../../lib/kinds/dynamic/left.ts";

const NOW = Date.UTC(2030, 0, 1);
const RENEWED = NOW / 1_000 - 60;
const AT = RENEWED * 1_000;
const LEASE = { id: "database/creds/app/1", duration: 60, renewable: true, requestID: "r" };
const ROTATED = { staticCredsMetaData: { lastVaultRotation: 7 } };
const HOUR_MS = 3_600_000;

function left(status: object, resolved: object = {}, isSameSpec = true) {
  const request = { mount: "database", path: "creds/app" };
  const all = { lastGeneration: 1, lastRenewalTime: RENEWED, ...status };
  return leftDynamic(
    { request, allowStaticCreds: false, ...resolved } as unknown as Parameters<typeof leftDynamic>[0],
    { status: all, isSameSpec, data: new Map() },
    NOW,
  );
}

describe("what Vault Secrets Operator left of a dynamic secret", () => {
  it("is its lease, when it is of the role that is asked for", () => {
    const lease = { id: LEASE.id, seconds: 60, renewable: true, requestId: "r" };
    const found = { isPresent: true, issuedAt: AT, made: { requestId: "r" }, lease };
    assert.deepEqual(left({ secretLease: LEASE }), found);
    assert.deepEqual(left({ secretLease: LEASE }, {}, false), { ...found, isPresent: false });
    for (const id of ["database/creds/other/1", "database/creds/app", "other/database/creds/app/1"])
      assert.equal(left({ secretLease: { ...LEASE, id } }), undefined, id);
  });

  it("is a static role's password, which is read again at once", () => {
    const found = { isPresent: false, issuedAt: AT, isLeaseless: true };
    assert.deepEqual(left(ROTATED, { allowStaticCreds: true }), found);
    assert.equal(left(ROTATED), undefined);
    assert.equal(left({ staticCredsMetaData: { lastVaultRotation: 0 } }, { allowStaticCreds: true }), undefined);
    assert.equal(left({ ...ROTATED, secretLease: LEASE }, { allowStaticCreds: true })?.isLeaseless, undefined);
  });

  it("is data without a lease, which is read again when VSO would have", () => {
    const found = { isPresent: true, issuedAt: AT, replaceAt: AT + 0.9 * HOUR_MS, isLeaseless: true };
    assert.deepEqual(left({}, { refreshAfterMs: HOUR_MS }), found);
    assert.equal(left({}, { refreshAfterMs: HOUR_MS }, false)?.isPresent, false);
    assert.equal(left({}), undefined);
  });

  it("is nothing when another one wrote the status, or it tells no time", () => {
    assert.equal(left({ secretLease: LEASE, observedGeneration: 1 }), undefined);
    assert.equal(left({ secretLease: LEASE, lastRenewalTime: 0 }), undefined);
  });
});
