import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cacheKeyIn, isOfVso, lastSignIn, leaseIn, timeIn } from "../../../../lib/vso/take-over/last-status.ts";

const NOW = Date.UTC(2026, 10, 29);
const KEY = "kubernetes-0123456789abcdef012345";
const LEASE = { id: "database/creds/app/1", duration: 60, renewable: true, requestID: "r" };

describe("the last status of a declaration", () => {
  it("is VSO's when it synced the declaration, and keyferry did not write it since", () => {
    assert.equal(isOfVso({ lastGeneration: 3 }), true);
    assert.equal(isOfVso({ lastGeneration: 3, observedGeneration: 3 }), false);
    for (const status of [{}, { lastGeneration: 0 }, { lastGeneration: "3" }]) assert.equal(isOfVso(status), false);
  });

  it("names a lease, or none that could be one", () => {
    assert.deepEqual(leaseIn({ secretLease: LEASE }), {
      ...{ id: "database/creds/app/1", seconds: 60, renewable: true, requestId: "r" },
    });
    assert.equal(leaseIn({ secretLease: { ...LEASE, duration: 1e12 } })?.seconds, 366 * 24 * 3_600);
    assert.equal(leaseIn({ secretLease: { ...LEASE, duration: -1 } })?.seconds, 0);
    assert.equal(leaseIn({ secretLease: { ...LEASE, id: "x".repeat(1_024) } })?.id.length, 1_024);
    for (const id of ["", 7, null, "x".repeat(1_025)])
      assert.equal(leaseIn({ secretLease: { ...LEASE, id } }), undefined);
    for (const [requestID, requestId] of [
      ["x".repeat(1_024), "x".repeat(1_024)],
      ["x".repeat(1_025), ""],
      [7, ""],
      [undefined, ""],
    ] as const) {
      const { requestID: _id, ...rest } = LEASE;
      const secretLease = requestID === undefined ? rest : { ...rest, requestID };
      assert.equal(leaseIn({ secretLease })?.requestId, requestId);
    }
    assert.equal(leaseIn({ secretLease: { ...LEASE, renewable: "true" } })?.renewable, false);
    assert.equal(leaseIn({ secretLease: "x" }), undefined);
    assert.equal(leaseIn({}), undefined);
  });

  it("names the client, also one of another Vault namespace, and nothing that could be another Secret", () => {
    assert.equal(cacheKeyIn({ vaultClientMeta: { cacheKey: KEY } }), KEY);
    assert.equal(cacheKeyIn({ vaultClientMeta: { cacheKey: `${KEY}-team/db` } }), KEY);
    for (const cacheKey of ["", "storage-hmac-key", `${KEY}0`, `../${KEY}`, `x ${KEY}`, 7]) {
      assert.equal(cacheKeyIn({ vaultClientMeta: { cacheKey } }), undefined, String(cacheKey));
    }
  });

  it("tells times up to now alone", () => {
    assert.equal(timeIn({ lastRenewalTime: NOW / 1_000 }, "lastRenewalTime", NOW), NOW);
    assert.equal(timeIn({ lastRenewalTime: NOW / 1_000 + 1 }, "lastRenewalTime", NOW), undefined);
    const conditions = [
      { lastTransitionTime: new Date(NOW - 5_000).toISOString() },
      { lastTransitionTime: new Date(NOW + 60_000).toISOString() },
      { lastTransitionTime: "soon" },
      {},
    ];
    assert.equal(lastSignIn({ lastRenewalTime: NOW / 1_000 - 60, conditions }, NOW), NOW - 5_000);
    assert.equal(lastSignIn({}, NOW), 0);
  });
});
