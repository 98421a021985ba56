import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { failure, forever } from "../../broken-peer.ts";
import { anEnd, DENIED, GRANT, INVALID, LEASE, SERVICE, UNEXPLAINED, WAY } from "./an-end.ts";

describe("a renewal", () => {
  it("of a lease and of a token says what Vault gave", async () => {
    const own = anEnd([200, { lease_id: LEASE.id, lease_duration: 40, renewable: false }], [200, GRANT]);
    assert.deepEqual(await own.issues.renewLease(WAY, SERVICE, LEASE, forever), {
      ...{ kind: "renewed", seconds: 40, renewable: false },
    });
    assert.deepEqual(await own.issues.renewToken(WAY, SERVICE, 90, forever), {
      ...{ kind: "renewed", seconds: 60, renewable: true },
    });
    const [lease, token] = own.asked;
    assert.deepEqual([lease?.namespace, lease?.body], ["team/db", { lease_id: LEASE.id, increment: 60 }]);
    assert.deepEqual([token?.namespace, token?.body], ["team", { increment: 90 }]);
    assert.deepEqual([lease?.timeoutMs, lease?.repeatable], [60_000, true]);
    assert.deepEqual(own.counted("renewals"), [
      "keyferry_vault_renewals_total lease renewed",
      "keyferry_vault_renewals_total token renewed",
    ]);
  });

  for (const [status, body, kind] of [
    [403, INVALID, "gone"],
    [403, UNEXPLAINED, "denied"],
    [403, DENIED, "denied"],
  ] as const) {
    it(`that is answered with ${status} ${JSON.stringify(body.errors[0])} is ${kind}, in one request`, async () => {
      const own = anEnd([status, body]);
      assert.deepEqual(await own.issues.renewLease(WAY, SERVICE, LEASE, forever), { kind });
      assert.deepEqual(await own.issues.renewToken(WAY, SERVICE, 60, forever), { kind });
      assert.deepEqual(await own.issues.lookUpLease(WAY, SERVICE, LEASE.id, forever), { kind });
      assert.equal(own.asked.length, 3);
    });
  }

  const REFUSED = [400, { errors: ["lease not found"] }] as const;
  const lease = (renewable: boolean) => [200, { data: { id: LEASE.id, ttl: 17, renewable } }] as const;
  const token = (renewable: boolean) => [200, { data: { creation_ttl: 60, renewable } }] as const;
  const [INVALIDATED, FORBIDDEN] = [[403, INVALID] as const, [403, DENIED] as const];

  it("of a lease that is answered with 400 is of one that is gone only if a look-up says so", async () => {
    for (const [answers, kind] of [
      [[lease(true)], "unrenewed"],
      [[lease(false)], "gone"],
      [[INVALIDATED], "gone"],
      [[REFUSED, token(true)], "gone"],
      [[REFUSED, FORBIDDEN], "gone"],
      [[FORBIDDEN, token(true)], "gone"],
    ] as const) {
      const own = anEnd(REFUSED, ...answers);
      assert.deepEqual(await own.issues.renewLease(WAY, SERVICE, LEASE, forever), { kind });
      const looks = ["POST sys/leases/lookup", "GET auth/token/lookup-self"];
      assert.deepEqual(own.paths(), ["POST sys/leases/renew", ...looks.slice(0, answers.length)]);
      assert.deepEqual(own.counted("renewals"), [`keyferry_vault_renewals_total lease ${kind}`]);
    }
  });

  it("of a token that is answered with 400 is over, if a look at itself is answered otherwise", async () => {
    for (const answer of [[200, { data: {} }], INVALIDATED, FORBIDDEN] as const) {
      const own = anEnd(REFUSED, answer);
      assert.deepEqual(await own.issues.renewToken(WAY, SERVICE, 60, forever), { kind: "gone" });
      assert.deepEqual(own.paths(), ["POST auth/token/renew-self", "GET auth/token/lookup-self"]);
    }
  });

  it("or a look, to which a secondary for disaster recovery says 400 as to everything, throws", async () => {
    const own = anEnd([400, { errors: ["path disabled in replication DR secondary mode"] }]);
    for (const asked of [
      own.issues.renewLease(WAY, SERVICE, LEASE, forever),
      own.issues.renewToken(WAY, SERVICE, 60, forever),
      own.issues.lookUpLease(WAY, SERVICE, LEASE.id, forever),
      own.issues.lookUpToken(WAY, SERVICE, forever),
    ]) {
      const error = await failure(asked, "VAULT_ANSWER_INVALID");
      assert.match(String(error), /a secondary for disaster recovery serves no requests/);
    }
  });

  it("of what a gateway lets nobody look up counts as before", async () => {
    const [denied, away] = [[403, "<html>"] as const, [502, "<html>"] as const];
    assert.deepEqual(await anEnd(denied).issues.lookUpLease(WAY, SERVICE, LEASE.id, forever), { kind: "denied" });
    assert.deepEqual(await anEnd(REFUSED, denied).issues.renewLease(WAY, SERVICE, LEASE, forever), { kind: "gone" });
    await failure(anEnd(REFUSED, denied, away).issues.renewLease(WAY, SERVICE, LEASE, forever), "VAULT_UNAVAILABLE");
    await failure(anEnd(denied).issues.lookUpToken(WAY, SERVICE, forever), "VAULT_ANSWER_INVALID");
  });

  it("throws what a retry may mend, and answers that are not Vault's", async () => {
    for (const [answer, code] of [
      [[500, { errors: ["x"] }], "VAULT_FAILED"],
      [[503, ""], "VAULT_UNAVAILABLE"],
      [[429, { errors: [] }], "VAULT_THROTTLED"],
      [[400, "<html>"], "VAULT_ANSWER_INVALID"],
      [[400, {}], "VAULT_ANSWER_INVALID"],
      [[403, "<html>"], "VAULT_ANSWER_INVALID"],
      [[403, { message: "Forbidden" }], "VAULT_DENIED"],
      [[200, {}], "VAULT_ANSWER_INVALID"],
    ] as const) {
      const own = anEnd(answer);
      await failure(own.issues.renewLease(WAY, SERVICE, LEASE, forever), code);
      await failure(own.issues.renewToken(WAY, SERVICE, 60, forever), code);
    }
  });

  it("and a look at a lease tells the seconds that are left", async () => {
    const own = anEnd([200, { data: { id: LEASE.id, ttl: 17, renewable: true } }]);
    const found = await own.issues.lookUpLease(WAY, SERVICE, LEASE.id, forever);
    assert.deepEqual(found, { kind: "renewed", seconds: 17, renewable: true });
    assert.deepEqual(own.counted("renewals"), []);
  });
});

describe("a look at a token", () => {
  const DATA = {
    creation_time: 1_900_000_000,
    creation_ttl: 3_600,
    ttl: 7,
    renewable: true,
    num_uses: 0,
    type: "service",
  };
  const FOUND = {
    kind: "found",
    seconds: 3_600,
    renewable: true,
    uses: 0,
    isBatch: false,
    createdAt: 1_900_000_000_000,
  };

  it("tells its TTL when it is new, and since when it exists", async () => {
    const own = anEnd([200, { data: DATA }], [200, { data: { ...DATA, period: 60, type: "batch", num_uses: 2 } }]);
    assert.deepEqual(await own.issues.lookUpToken(WAY, SERVICE, forever), FOUND);
    assert.deepEqual(await own.issues.lookUpToken(WAY, SERVICE, forever), {
      ...{ ...FOUND, seconds: 60, uses: 2, isBatch: true },
    });
    assert.deepEqual(own.paths(), ["GET auth/token/lookup-self", "GET auth/token/lookup-self"]);
    assert.equal(own.asked[0]?.namespace, "team");
  });

  it("that has ended, or may not look", async () => {
    assert.deepEqual(await anEnd([403, INVALID]).issues.lookUpToken(WAY, SERVICE, forever), { kind: "gone" });
    assert.deepEqual(await anEnd([403, DENIED]).issues.lookUpToken(WAY, SERVICE, forever), { kind: "denied" });
    await failure(anEnd([200, {}]).issues.lookUpToken(WAY, SERVICE, forever), "VAULT_ANSWER_INVALID");
  });

  it("and at a lease tells when it was issued", async () => {
    const own = anEnd([200, { data: { ttl: 17, renewable: true, issue_time: "2026-11-29T00:00:00.5Z" } }]);
    const found = await own.issues.lookUpLease(WAY, SERVICE, LEASE.id, forever);
    assert.equal(found.kind === "renewed" && found.issuedAt, Date.UTC(2026, 10, 29, 0, 0, 0, 500));
  });
});
