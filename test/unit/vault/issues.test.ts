import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LosslessNumber } from "lossless-json";
import { failure, forever } from "../../broken-peer.ts";
import { aKey } from "../../builders.ts";
import { anEnd, DENIED, GRANT, IDENTITY, INVALID, ISSUED, LEASE, REQUEST, SERVICE, TARGET, WAY } from "./an-end.ts";

describe("an issue", () => {
  it("is one request with its own token, for 30 s at most, and never repeated", async () => {
    const { issues, asked, counted } = anEnd([200, ISSUED]);
    const request = { ...REQUEST, method: "POST", body: { ttl: 60, flag: true, names: ["a"] } } as const;
    const found = await issues.issue(WAY, SERVICE, request, forever);
    assert.deepEqual(found, {
      requestId: "r-1",
      response: { username: "u", number: new LosslessNumber("12") },
      fields: new Map<string, unknown>([
        ["username", "u"],
        ["number", new LosslessNumber("12")],
      ]),
      lease: { id: LEASE.id, seconds: 60, renewable: true },
      goodForSeconds: 0,
    });
    const [question] = asked;
    assert.equal(question?.timeoutMs, 30_000);
    assert.equal(question?.repeatable, false);
    assert.equal(question?.namespace, "team", "the login's, since the request names none");
    assert.deepEqual(question?.body, { ttl: 60, flag: true, names: ["a"] });
    assert.deepEqual(counted("issues"), ["keyferry_vault_issues_total ok"]);
  });

  it("keeps a shorter time-out, sends no body with a GET, and asks in the namespace of its request", async () => {
    const { issues, asked } = anEnd([200, { ...ISSUED, lease_id: "" }]);
    const way = { ...WAY, target: { ...TARGET, timeoutMs: 5_000 } };
    const found = await issues.issue(way, SERVICE, { ...REQUEST, namespace: "other", body: { a: 1 } }, forever);
    assert.equal(found.lease, undefined);
    assert.deepEqual([asked[0]?.timeoutMs, asked[0]?.namespace, asked[0]?.body], [5_000, "other", undefined]);
  });

  for (const [what, answer, says] of [
    ["without data", { ...ISSUED, data: null }, /no data object/],
    ["that is wrapped", { ...ISSUED, wrap_info: { token: "hvs.w" } }, /wrapped.*VaultConnection/],
    ["that is a login", { ...ISSUED, data: null, auth: GRANT.auth }, /login/],
    ["with a lease id of more than 1 KiB", { ...ISSUED, lease_id: "ü".repeat(513) }, /more than 1024 bytes/],
    ["that is no JSON", "<html>", /not a JSON object/],
  ] as const) {
    it(`refuses an answer ${what}, which may have issued something`, async () => {
      const { issues } = anEnd([200, answer]);
      const error = await failure(issues.issue(WAY, SERVICE, REQUEST, forever), "VAULT_ANSWER_INVALID");
      assert.match(error.message, says);
      assert.equal(error.outcome, "unknown");
    });
  }

  it("takes a lease id of 1 KiB, and an answer with status 204 for none", async () => {
    const id = "x".repeat(1_024);
    const { issues } = anEnd([200, { ...ISSUED, lease_id: id }], [204]);
    assert.equal((await issues.issue(WAY, SERVICE, REQUEST, forever)).lease?.id, id);
    const error = await failure(issues.issue(WAY, SERVICE, REQUEST, forever), "VAULT_ANSWER_INVALID");
    assert.match(error.message, /has no data/);
  });

  for (const [status, body, code, outcome, says] of [
    [400, { errors: ['unknown role: "s3cr3t"'] }, "VAULT_ANSWER_INVALID", "none", /there is no such role/],
    [403, DENIED, "VAULT_DENIED", "none", /must allow this path/],
    [404, { errors: [] }, "VAULT_PATH_MISSING", "none", /no such mount, path or role/],
    [405, { errors: ["1 error occurred: unsupported operation"] }, "VAULT_ANSWER_INVALID", "none", /this method/],
    [429, { errors: ["quota"] }, "VAULT_THROTTLED", "none", /rate limit/],
    [403, "<html>blocked</html>", "VAULT_ANSWER_INVALID", "unknown", /not answered by Vault/],
    [408, { errors: ["time-out"] }, "VAULT_ANSWER_INVALID", "unknown", /./],
    [500, { errors: ["plugin: s3cr3t"] }, "VAULT_FAILED", "unknown", /inside Vault/],
    [503, "", "VAULT_UNAVAILABLE", "unknown", /proxy/],
  ] as const) {
    it(`that is answered with ${status} ${code} did ${outcome === "none" ? "nothing" : "perhaps something"}`, async () => {
      const { issues, counted } = anEnd([status, body]);
      const error = await failure(issues.issue(WAY, SERVICE, REQUEST, forever), code);
      assert.equal(error.outcome, outcome);
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /s3cr3t/);
      assert.deepEqual(counted("issues"), [`keyferry_vault_issues_total ${code}`]);
    });
  }

  it("refuses a path that leads elsewhere, and asks nothing", async () => {
    const { issues, asked } = anEnd([200, ISSUED]);
    await failure(issues.issue(WAY, SERVICE, { ...REQUEST, path: "../sys/raw" }, forever), "SPEC_INVALID");
    assert.equal(asked.length, 0);
  });
});

describe("a login of its own", () => {
  it("says what the token is, and shares it with nobody", async () => {
    const { issues, asked } = anEnd([200, GRANT], [200, { auth: { ...GRANT.auth, token_type: "batch", num_uses: 3 } }]);
    const { value, ...rest } = await issues.login(IDENTITY, forever);
    assert.equal(value.reveal().toString(), "hvs.t");
    assert.deepEqual(rest, { seconds: 60, renewable: true, uses: 0, isBatch: false });
    const { isBatch, uses } = await issues.login(IDENTITY, forever);
    assert.deepEqual([isBatch, uses], [true, 3]);
    assert.equal(asked.length, 2);
  });
});

describe("a request with the shared token", () => {
  it("uses it again, and another one when Vault refuses it", async () => {
    const own = anEnd([200, GRANT], [200, ISSUED], [403, INVALID], [403, INVALID], [200, GRANT], [200, ISSUED]);
    const request = { ...REQUEST, method: "POST" } as const;
    await own.issues.ask(IDENTITY, request, aKey(), false, forever);
    await own.issues.ask(IDENTITY, request, aKey(), false, forever);
    const LOGIN = "POST auth/approle/login";
    const ASKED = "POST database/creds/app";
    assert.deepEqual(own.paths(), [LOGIN, ASKED, ASKED, "GET auth/token/lookup-self", LOGIN, ASKED]);
    assert.equal(own.asked[1]?.repeatable, false);
    assert.deepEqual([own.counted("issues").length, own.counted("reads").length], [2, 0]);
  });

  it("counts as a read when it may be repeated", async () => {
    const own = anEnd([200, GRANT], [200, ISSUED]);
    await own.issues.ask(IDENTITY, REQUEST, aKey(), true, forever);
    assert.equal(own.asked[1]?.repeatable, true);
    assert.deepEqual([own.counted("issues").length, own.counted("reads").length], [0, 1]);
  });
});
