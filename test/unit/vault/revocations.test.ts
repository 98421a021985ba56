import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { MARK } from "../../../lib/ports/own-calls.ts";
import type { VaultRequest } from "../../../lib/ports/vault-issues.ts";
import { failure, forever } from "../../broken-peer.ts";
import { aKey } from "../../builders.ts";
import { anEnd, BATCH, DENIED, GRANT, IDENTITY, INVALID, LEASE, SERVICE, UNEXPLAINED, WAY } from "./an-end.ts";

describe("a revocation", () => {
  const SELF = "POST auth/token/revoke-self";
  const LOOK = "GET auth/token/lookup-self";
  for (const [what, answers, end, paths] of [
    ["that Vault carries out", [[204]], "ended", [SELF]],
    ["of a token that Vault calls invalid", [[403, INVALID]], "ended", [SELF]],
    ["that a policy denies", [[403, DENIED]], "denied", [SELF]],
    ["that is denied without a reason, of a token that is gone", [[403, UNEXPLAINED]], "ended", [SELF, LOOK]],
    [
      "that is denied without a reason, of a live token",
      [
        [403, UNEXPLAINED],
        [200, { data: {} }],
      ],
      "denied",
      [SELF, LOOK],
    ],
  ] as const) {
    it(`${what}: ${end}`, async () => {
      const own = anEnd(...answers);
      assert.equal(await own.issues.revokeToken(WAY, SERVICE, forever), end);
      assert.deepEqual(own.paths(), paths);
      assert.ok(own.asked.every(({ namespace, repeatable }) => namespace === "team" && repeatable));
      assert.deepEqual(own.counted("revocations"), [`keyferry_vault_revocations_total token ${end}`]);
    });
  }

  for (const body of ["<html>", { message: "Forbidden" }]) {
    it(`that a gateway denies by ${JSON.stringify(body)} is to be tried again`, async () => {
      const code = body === "<html>" ? "VAULT_ANSWER_INVALID" : "VAULT_DENIED";
      await failure(anEnd([403, body]).issues.revokeToken(WAY, SERVICE, forever), code);
      await failure(anEnd([403, body]).issues.revokeLease(WAY, SERVICE, LEASE.id, forever), code);
    });
  }

  it("of a batch token is not asked for", async () => {
    const own = anEnd([500]);
    assert.equal(await own.issues.revokeToken(WAY, BATCH, forever), "denied");
    assert.deepEqual(await own.issues.endRights(WAY, BATCH, forever), { token: false, lease: false });
    assert.equal(own.asked.length, 0);
  });

  const [IN_PATH, IN_BODY] = [`sys/leases/revoke/${LEASE.id}`, "sys/leases/revoke"];
  const LOOK_AT_TOKEN = "auth/token/lookup-self";
  for (const [what, answers, end, paths] of [
    ["that Vault carries out", [[204]], "ended", [IN_PATH]],
    ["that is accepted for later", [[202, {}]], "ended", [IN_PATH]],
    ["that a policy allows only in the body", [[403, DENIED], [204]], "ended", [IN_PATH, IN_BODY]],
    [
      "that a policy allows without other members",
      [[403, DENIED], [403, DENIED], [204]],
      "ended",
      [IN_PATH, IN_BODY, IN_BODY],
    ],
    ...[400, 422].map(
      (status) =>
        [
          `whose mark a gateway refuses by ${status}`,
          [[403, DENIED], [status, { errors: ["unknown member"] }], [204]],
          "ended",
          [IN_PATH, IN_BODY, IN_BODY],
        ] as const,
    ),
    ["that a policy denies", [[403, DENIED]], "denied", [IN_PATH, IN_BODY, IN_BODY]],
    ["whose path a gateway denies", [[403, "<html>"], [403, "<html>"], [204]], "ended", [IN_PATH, IN_BODY, IN_BODY]],
    ["of a token that Vault calls invalid", [[403, INVALID]], "ended", [IN_PATH]],
    ["of a token that is gone", [[403, UNEXPLAINED]], "ended", [IN_PATH, LOOK_AT_TOKEN]],
  ] as const) {
    it(`of a lease ${what}: ${end}`, async () => {
      const own = anEnd(...answers);
      assert.equal(await own.issues.revokeLease(WAY, SERVICE, LEASE.id, forever), end);
      assert.deepEqual(
        own.asked.map(({ path }) => path),
        paths,
      );
      assert.ok(own.asked.every(({ path, namespace }) => path === LOOK_AT_TOKEN || namespace === "team/db"));
      const [, marked, plain] = own.asked.filter(({ purpose }) => purpose === "lease").map((asked) => asked.body);
      if (marked !== undefined) {
        const { lease_id: id, ...mark } = marked;
        assert.deepEqual([id, Object.values(mark)], [LEASE.id, [true]]);
        assert.match(Object.keys(mark).join(), MARK);
      }
      if (plain !== undefined) assert.deepEqual(plain, { lease_id: LEASE.id });
      assert.deepEqual(own.counted("revocations"), [`keyferry_vault_revocations_total lease ${end}`]);
    });
  }

  it("of a lease encodes its id, and sends one that is no path in the body", async () => {
    for (const [id, path] of [
      ["database/creds/my app/100%/x", "sys/leases/revoke/database/creds/my%20app/100%25/x"],
      ["../auth/token/x", "sys/leases/revoke"],
      ["database//x", "sys/leases/revoke"],
      ["database/x/", "sys/leases/revoke"],
      ["/database/x", "sys/leases/revoke"],
      ["database/x?y", "sys/leases/revoke"],
    ] as const) {
      const own = anEnd([204]);
      assert.equal(await own.issues.revokeLease(WAY, SERVICE, id, forever), "ended");
      assert.deepEqual([own.asked.length, own.asked[0]?.path], [1, path]);
    }
  });

  it("of a lease that Vault refuses without the mark too fails, and so does one that is throttled", async () => {
    for (const [status, code, requests] of [
      [400, "VAULT_ANSWER_INVALID", 3],
      [429, "VAULT_THROTTLED", 2],
      [500, "VAULT_FAILED", 2],
    ] as const) {
      const own = anEnd([403, DENIED], [status, { errors: ["no"] }]);
      await failure(own.issues.revokeLease(WAY, SERVICE, LEASE.id, forever), code);
      assert.equal(own.asked.length, requests);
    }
  });

  it("of a lease that fails does not tell its id", async () => {
    const own = anEnd([500, {}]);
    const error = await failure(own.issues.revokeLease(WAY, SERVICE, LEASE.id, forever), "VAULT_FAILED");
    assert.match(error.message, /POST sys\/leases\/revoke of /);
    assert.doesNotMatch(error.message, /creds/);
  });

  it("is known by the lease, before it is asked for, or by the id of its request", async () => {
    const own = anEnd([500, {}]);
    const line = { requestId: "other", leaseId: LEASE.id };
    assert.equal(own.own.has(line), false);
    await failure(own.issues.revokeLease(WAY, SERVICE, LEASE.id, forever), "VAULT_FAILED");
    assert.equal(own.own.has(line), true);
    assert.equal(own.own.has({ requestId: "other" }), false);
    const revoke: VaultRequest = { method: "POST", mount: "pki", path: "revoke", body: { serial_number: "1" } };
    const issue: VaultRequest = { ...revoke, path: "issue/web" };
    for (const [request, repeatable, isKnown] of [
      [issue, false, false],
      [revoke, true, true],
    ] as const) {
      const asking = anEnd([200, GRANT], [200, { request_id: "r-2", data: {} }]);
      await asking.issues.ask(IDENTITY, request, aKey("app"), repeatable, forever);
      assert.equal(asking.own.has({ requestId: "r-2" }), isKnown);
    }
  });

  it("is allowed as Vault says, or must be tried when the token may not ask", async () => {
    const [self, inPath, inBody] = ["auth/token/revoke-self", "sys/leases/revoke/any", "sys/leases/revoke"];
    const together = { ...WAY, namespace: "team" };
    for (const [data, rights] of [
      [
        { [self]: ["update"], [inPath]: ["deny"], [inBody]: ["deny"] },
        { token: true, lease: false },
      ],
      [
        { [self]: ["deny"], [inPath]: ["root"], [inBody]: ["root"] },
        { token: false, lease: true },
      ],
      [
        { [self]: ["deny"], [inPath]: ["update"] },
        { token: false, lease: true },
      ],
      [
        { [self]: ["deny"], [inBody]: ["update"] },
        { token: false, lease: true },
      ],
    ] as const) {
      const own = anEnd([200, { data }]);
      assert.deepEqual(await own.issues.endRights(together, SERVICE, forever), rights);
      assert.deepEqual(own.asked[0]?.body, { paths: [self, inPath, inBody] });
    }
    const own = anEnd([403, DENIED]);
    assert.deepEqual(await own.issues.endRights(together, SERVICE, forever), { token: true, lease: true });
  });

  it("of a lease in another namespace is not that of its token", async () => {
    const [self, inPath, inBody] = ["auth/token/revoke-self", "db/sys/leases/revoke/any", "db/sys/leases/revoke"];
    const own = anEnd([200, { data: { [self]: ["update"], [inPath]: ["update"] } }], [403, DENIED]);
    assert.deepEqual(await own.issues.endRights(WAY, SERVICE, forever), { token: false, lease: true });
    assert.deepEqual(await own.issues.endRights(WAY, SERVICE, forever), { token: false, lease: true });
    assert.deepEqual(own.asked[0]?.body, { paths: [self, inPath, inBody] });
    const near = { ...WAY, namespace: "team" };
    const same = anEnd([200, { data: { [self]: ["update"] } }], [403, DENIED]);
    assert.deepEqual(await same.issues.endRights(near, SERVICE, forever), { token: true, lease: false });
    assert.deepEqual(await same.issues.endRights(near, SERVICE, forever), { token: true, lease: true });
  });

  it("tells no token in what it fails with", async () => {
    const own = anEnd([500, { errors: ["hvs.own"] }]);
    const error = await failure(own.issues.revokeToken(WAY, SERVICE, forever), "VAULT_FAILED");
    assert.ok(error instanceof SyncError && !/hvs/.test(`${error.message} ${JSON.stringify(error)}`));
  });
});
