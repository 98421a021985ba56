import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LosslessNumber } from "lossless-json";
import { SyncError } from "../../../lib/errors.ts";
import { MARK } from "../../../lib/ports/own-calls.ts";
import type { VaultIdentity, VaultTarget } from "../../../lib/ports/vault.ts";
import type { IssueTarget, VaultRequest } from "../../../lib/ports/vault-issues.ts";
import { SecretValue } from "../../../lib/secret-value.ts";
import type { VaultAnswer } from "../../../lib/vault/answer.ts";
import { vaultApi } from "../../../lib/vault/vault-api.ts";
import type { VaultClient, VaultQuestion } from "../../../lib/vault/vault-client.ts";
import { failure, forever } from "../../broken-peer.ts";
import { aKey } from "../../builders.ts";
import { QUIET } from "../aws/records.ts";

const TARGET: VaultTarget = { address: "https://vault.example", headers: {}, skipTlsVerify: false, timeoutMs: 60_000 };
const WAY: IssueTarget = { target: TARGET, loginNamespace: "team", namespace: "team/db" };
const SERVICE = SecretValue.of("hvs.own");
const BATCH = SecretValue.of("hvb.own");
const REQUEST: VaultRequest = { method: "GET", mount: "database", path: "creds/app" };
const LEASE = { id: "database/creds/app/x", seconds: 60 };
const GRANT = {
  auth: { client_token: "hvs.t", lease_duration: 60, renewable: true, num_uses: 0, token_type: "service" },
};
const ISSUED = {
  request_id: "r-1",
  lease_id: LEASE.id,
  lease_duration: 60,
  renewable: true,
  data: { username: "u", number: 12 },
};
const DENIED = { errors: ["1 error occurred:\n\t* permission denied\n\n"] };
const UNEXPLAINED = { errors: ["permission denied"] };
const INVALID = { errors: ["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"] };

const IDENTITY: VaultIdentity = {
  id: "one",
  target: TARGET,
  mount: "approle",
  headers: {},
  method: {
    kind: "appRole",
    roleId: "role",
    credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
  },
};

interface Asked extends VaultQuestion {
  readonly timeoutMs: number;
}

type Answer = readonly [status: number, body?: unknown];

/** An end whose Vault gives these answers in turn, the last one again and again. */
function anEnd(...answers: readonly Answer[]) {
  const asked: Asked[] = [];
  const counts: string[] = [];
  const ask = async ({ timeoutMs }: VaultTarget, question: VaultQuestion): Promise<VaultAnswer> => {
    const [status = 500, body] = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push({ ...question, timeoutMs });
    return { status, text: typeof body === "string" ? body : body === undefined ? "" : JSON.stringify(body) };
  };
  const client: VaultClient = { ask, isKnown: () => true, refuse: () => undefined, close: async () => undefined };
  const { issues, own } = vaultApi({
    clock: () => Date.UTC(2030, 0, 1),
    log: QUIET,
    metrics: {
      count: (name, labels) => void counts.push([name, ...Object.values(labels)].join(" ")),
      observe: () => undefined,
    },
    credentials: {
      credential: async () => ({ value: SecretValue.of("s"), version: "1" }),
      secret: () => assert.fail(),
      annotations: () => assert.fail(),
    },
    openClient: () => client,
  });
  return {
    issues,
    own,
    asked,
    paths: () => asked.map(({ method, path }) => `${method} ${path}`),
    counted: (name: string) => counts.filter((one) => one.startsWith(`keyferry_vault_${name}`)),
  };
}

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
    [400, { errors: ["lease not found"] }, "gone"],
    [400, { errors: ["lease is not renewable"] }, "gone"],
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

  it("throws what a retry may mend, and answers that are not Vault's", async () => {
    for (const [answer, code] of [
      [[500, { errors: ["x"] }], "VAULT_FAILED"],
      [[503, ""], "VAULT_UNAVAILABLE"],
      [[429, { errors: [] }], "VAULT_THROTTLED"],
      [[400, "<html>"], "VAULT_ANSWER_INVALID"],
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
    ["that a proxy denies", [[403, "<html>"]], "denied", [SELF]],
  ] as const) {
    it(`${what}: ${end}`, async () => {
      const own = anEnd(...answers);
      assert.equal(await own.issues.revokeToken(WAY, SERVICE, forever), end);
      assert.deepEqual(own.paths(), paths);
      assert.ok(own.asked.every(({ namespace, repeatable }) => namespace === "team" && repeatable));
      assert.deepEqual(own.counted("revocations"), [`keyferry_vault_revocations_total token ${end}`]);
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
