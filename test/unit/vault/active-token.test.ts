import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VaultIdentity } from "../../../lib/ports/vault.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import { activeToken, renewedToken } from "../../../lib/vault/active-token.ts";

const IDENTITY: VaultIdentity = {
  id: "one",
  target: { address: "http://vault", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 },
  mount: "approle",
  headers: {},
  method: {
    kind: "appRole",
    roleId: "role",
    credential: { kind: "secret", cluster: "c", namespace: "n", name: "s", key: "id" },
  },
};
const granted = (ttlSeconds: number, renewable = true) => ({
  token: SecretValue.of("t"),
  ttlSeconds,
  renewable,
  uses: 0,
  isBatch: false,
});

describe("a token that we hold", () => {
  it("has what Vault granted, counted from when it was asked for", () => {
    const grant = { ...granted(300), uses: 3, isBatch: true };
    assert.deepEqual(activeToken(IDENTITY, grant, 1_000), {
      ...{ identity: IDENTITY, value: grant.token, obtainedAt: 1_000, ttlMs: 300_000, uses: 3, isBatch: true },
      ...{ renewAt: Number.POSITIVE_INFINITY, staleAt: 271_000, endsAt: 301_000 },
    });
  });

  it("keeps after a renewal what it was granted at first", () => {
    const first = activeToken(IDENTITY, { ...granted(300), isBatch: true }, 0);
    const { ttlMs, isBatch, endsAt } = renewedToken(first, granted(150), 200_000);
    assert.deepEqual({ ttlMs, isBatch, endsAt }, { ttlMs: 300_000, isBatch: true, endsAt: 350_000 });
  });

  it("has the state in which Vault knows it, and after a renewal that of the renewal, if it says one", () => {
    const first = activeToken(IDENTITY, { ...granted(300), index: "v1" }, 0);
    assert.equal(first.index, "v1");
    assert.equal(renewedToken(first, granted(300), 1).index, "v1");
    assert.equal(renewedToken(first, { ...granted(300), index: "v2" }, 1).index, "v2");
    assert.equal("index" in renewedToken(activeToken(IDENTITY, granted(300), 0), granted(300), 1), false);
  });

  it("is not used in its last tenth", () => {
    assert.equal(activeToken(IDENTITY, granted(3_600), 0).staleAt, 3_240_000);
  });

  it("is not used in its last five seconds", () => {
    assert.equal(activeToken(IDENTITY, granted(20), 0).staleAt, 15_000);
  });

  it("is used for half of its life at least", () => {
    assert.equal(activeToken(IDENTITY, granted(4), 0).staleAt, 2_000);
  });

  it("has no end when Vault gives none", () => {
    const { staleAt, renewAt } = activeToken(IDENTITY, granted(0), 0);
    assert.deepEqual([staleAt, renewAt], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  it("is prolonged at two thirds, if it can be", () => {
    assert.equal(activeToken(IDENTITY, granted(300), 0).renewAt, 200_000);
    assert.equal(activeToken(IDENTITY, granted(300, false), 0).renewAt, Number.POSITIVE_INFINITY);
  });

  it("is not prolonged when it is good for some requests only", () => {
    assert.equal(activeToken(IDENTITY, { ...granted(300), uses: 3 }, 0).renewAt, Number.POSITIVE_INFINITY);
  });

  it("is the same token after a renewal, with another end", () => {
    const first = activeToken(IDENTITY, granted(300), 0);
    const next = renewedToken(first, granted(300), 200_000);
    assert.equal(next.value, first.value);
    assert.equal(next.obtainedAt, 0);
    assert.equal(next.staleAt, 470_000);
    assert.equal(next.renewAt, 400_000);
  });

  it("is not prolonged again once it has met its maximum", () => {
    const first = activeToken(IDENTITY, granted(300), 0);
    const next = renewedToken(first, granted(150), 200_000);
    assert.equal(next.staleAt, 335_000);
    assert.equal(next.renewAt, Number.POSITIVE_INFINITY);
  });
});
