import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../../../lib/digest.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { type IssuedState, issuedState, ownIssued } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import type { Obtained } from "../../../../lib/kinds/kind.ts";
import type { Issue } from "../../../../lib/ports/issues.ts";
import type { IssuedData } from "../../../../lib/ports/vault-issues.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { anIssue, START } from "../../issues/an-issue.ts";
import { ISSUED } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun, HELD, KEY, type Scene } from "./a-credential.ts";

const DIGEST = digestOf(KEY, HELD);
const REFRESH = "keyferry.dev/refresh";
const SERIAL_END = "1dvxwqtyww";

/** What a row knows of a credential that is in use. */
const WAS: IssuedState = {
  ...{ request: requestOf(aResolved()), keys: ["password"], asks: [START - 60_000], issuedAt: START - 60_000 },
};
const live = (changed: Partial<Issue> = {}) => anIssue({ serial: "live", renewWithin: 270, ...changed });
const inUse = (more: Partial<Scene> = {}): Scene => ({
  held: HELD,
  own: WAS,
  ...more,
  state: { digest: DIGEST, issues: [live()], ...more.state },
});
const leaseless = (): IssuedData => {
  const { lease: _lease, ...rest } = ISSUED;
  return rest;
};

async function obtained(scene: Scene) {
  const one = aRun(scene);
  const result = (await one.obtain()) as Extract<Obtained, { kind: "data" }>;
  const text = result.data.get("password")?.reveal().toString();
  return { ...one, result, text, own: issuedState({ own: result.own as Json }) };
}

const asked = (one: { readonly vault: { readonly asked: readonly string[] } }) =>
  one.vault.asked.filter((what) => what !== "require").map((what) => what.split(" ")[0]);

describe("a credential that is in use", () => {
  it("stays while it is good, and nothing is asked", async () => {
    const one = await obtained(inUse());
    assert.deepEqual([one.text, asked(one), one.recorded, one.admitted], ["held", [], [], []]);
    assert.deepEqual([one.result.next, one.result.warnings], ["event", []]);
    assert.deepEqual([one.own, one.result.status], [WAS, { made: null, live: "live" }]);
    assert.deepEqual(one.result.issues, [live()]);
    const planned = await obtained(inUse({ own: { ...WAS, replaceAt: START + 1 } }));
    assert.deepEqual(planned.result.next, { at: START + 1 });
    assert.equal(
      await aRun(inUse())
        .foresee()
        .then((seen) => seen !== "would-issue"),
      true,
    );
  });

  it("is asked for anew when it will not do any more", async () => {
    const cases: Readonly<Record<string, Scene>> = {
      "there is none": {},
      "its data is not known": { ...inUse(), state: { issues: [live()] } },
      "its lease is gone": inUse({ state: { issues: [] } }),
      "Vault refuses to renew it": inUse({ state: { issues: [live({ lost: "gone" })] } }),
      "its declaration changed": inUse({ resolved: { cause: "another" } }),
      "a refresh is requested": inUse({ annotations: { [REFRESH]: "1" } }),
      "its time is over": inUse({ own: { ...WAS, replaceAt: START } }),
      "its Secret has other data": { ...inUse(), held: undefined },
      "it does not fit": inUse({ kind: { unfit: () => "it is another key" } }),
    };
    for (const [why, scene] of Object.entries(cases)) {
      const one = await obtained(scene);
      assert.deepEqual([one.text, asked(one)], ["new", ["login", "endRights", "issue"]], why);
      assert.equal(await aRun(scene).foresee(), "would-issue", why);
    }
    const known = await obtained(inUse({ annotations: { [REFRESH]: "1" }, own: { ...WAS, refresh: "1" } }));
    assert.equal(known.text, "held", "this request was answered");
  });

  it("counts what is asked for without a plan", async () => {
    const asks = async (scene: Scene) => (await obtained(scene)).own.asks;
    assert.deepEqual(await asks({ ...inUse(), held: undefined }), [...WAS.asks, START]);
    assert.deepEqual(await asks(inUse({ own: { ...WAS, replaceAt: START } })), WAS.asks);
    const truncated = { state: { issues: [live({ lost: "truncated" })] } } as const;
    assert.deepEqual(await asks(inUse(truncated)), WAS.asks, "it has served");
    const young = { ...WAS, issuedAt: START - 29_999 };
    assert.deepEqual(await asks(inUse({ ...truncated, own: young })), [...WAS.asks, START]);
    const served = { ...WAS, issuedAt: START - 30_000 };
    assert.deepEqual(await asks(inUse({ ...truncated, own: served })), WAS.asks);
  });

  it("says what is planned for a credential that was taken over", async () => {
    const planned = { ...WAS, replaceAt: START + 60_000, planned: "its token is not known" };
    const [warning, ...others] = (await obtained(inUse({ own: planned }))).result.warnings;
    assert.deepEqual(
      [others, warning?.type, warning?.status, warning?.reason],
      [[], "CredentialRenewed", "False", "TakenOver"],
    );
    assert.match(
      warning?.message ?? "",
      /another credential is issued at 2030-01-01T00:01:00\.000Z, because .* and its token is not known$/,
    );
    const { replaceAt: _at, ...endless } = planned;
    assert.deepEqual((await obtained(inUse({ own: endless }))).result.warnings, []);
  });

  it("is foreseen with what the row has in Vault", async () => {
    const seen = (await aRun(inUse()).foresee()) as Extract<Obtained, { kind: "data" }>;
    assert.deepEqual([seen.issues, seen.own, seen.status], [[live()], WAS, { made: null, live: "live" }]);
  });

  it("is no more asked for when that was too often, until a person changes something", async () => {
    const six = { ...WAS, asks: Array.from({ length: 6 }, () => START) };
    const often = aRun({ ...inUse({ own: six }), held: undefined });
    await assert.rejects(often.obtain(), { code: "ISSUES_TOO_FREQUENT" });
    assert.deepEqual(asked(often), []);
    const error = { code: "ISSUES_TOO_FREQUENT", message: "", since: START } as const;
    const seen = (hash: string) => ({ resourceVersion: "1", status: {}, hash });
    const { hash } = aRun({}).claim.row.declared;
    const parked = aRun({ own: { ...WAS, asks: [] }, state: { error, seen: seen(hash) } });
    await assert.rejects(parked.obtain(), { code: "ISSUES_TOO_FREQUENT" });
    const changed = await obtained({ own: six, state: { error, seen: seen("former") } });
    assert.deepEqual(changed.own.asks, [START]);
    const other = { ...error, code: "VAULT_DENIED" } as const;
    const fails = await obtained({ own: { ...WAS, asks: [] }, state: { error: other, seen: seen(hash) } });
    assert.deepEqual(fails.own.asks, [START], "another failure is none of too many");
  });

  it("tells when its login may not renew", async () => {
    const one = await obtained(inUse({ state: { issues: [live({ lost: "denied" })] } }));
    assert.equal(one.own.isDenied, true);
    assert.deepEqual(
      one.result.warnings.map(({ reason, type }) => [type, reason]),
      [["CredentialRenewed", "NotAllowed"]],
    );
    const healed = await obtained({ ...inUse({ own: { ...WAS, isDenied: true } }), held: undefined });
    assert.equal(healed.own.isDenied, undefined);
  });

  it("tells when its login may not end it, and of an annotation that means nothing", async () => {
    const one = await obtained({ answers: { endRights: () => ({ token: false, lease: false }) } });
    assert.deepEqual(
      one.result.warnings.map(({ type }) => type),
      ["CredentialRevocable"],
    );
    assert.match(one.result.warnings[0]?.message ?? "", /allow auth\/token\/revoke-self/);
    const shared = inUse({ state: { issues: [live({ endBy: "none", shared: true })] } });
    assert.deepEqual((await obtained(shared)).result.warnings, [], "its token is not its own");
    const annotations = { "keyferry.dev/revoke-replaced": "soon" };
    for (const scene of [inUse({ annotations }), { annotations }]) {
      assert.deepEqual(
        (await obtained(scene)).result.warnings.map(({ type }) => type),
        ["RevokeReplaced"],
      );
    }
  });
});

describe("a new credential", () => {
  it("is recorded before it is written, and takes the place of the former one", async () => {
    const one = await obtained({ ...inUse(), held: undefined });
    const serial = one.result.issues?.[1]?.serial ?? "";
    assert.ok(serial.endsWith(SERIAL_END));
    const [asking, got] = one.recorded;
    assert.deepEqual(
      asking?.issues?.map(({ state }) => state),
      ["live", "asking"],
    );
    assert.deepEqual(issuedState({ own: asking?.own as Json }).asks, [...WAS.asks, START]);
    assert.deepEqual(
      got?.issues?.map(({ state }) => state),
      ["live", "got"],
    );
    assert.equal(issuedState({ own: got?.own as Json }).issuedAt, START);
    assert.deepEqual(
      one.result.issues?.map(({ state }) => state),
      ["ending", "live"],
    );
    const [former, fresh] = one.result.issues ?? [];
    assert.deepEqual([former?.replacedAt, former?.endAt], [START, START + 600_000]);
    assert.deepEqual(
      [fresh?.digest, fresh?.renewWithin, fresh?.vaultLease?.id],
      [digestOf(KEY, one.result.data), 270, "creds/1"],
    );
    assert.deepEqual(one.own, { ...WAS, issuedAt: START, asks: [...WAS.asks, START] });
    assert.deepEqual([one.result.isRotation, (await obtained({})).result.isRotation], [true, false]);
    assert.deepEqual([one.result.next, one.result.status], ["event", { made: null, live: serial }]);
  });

  it("is replaced at a share of its life when it can't be renewed, or sooner if its kind says so", async () => {
    const lease = { id: "creds/1", seconds: 600, renewable: false };
    const at = async (made: Scene["made"]) =>
      (await obtained({ made: made ?? {}, answers: { issue: () => ({ ...ISSUED, lease }) } })).result.next;
    assert.deepEqual(await at({}), { at: START + 402_000 });
    assert.deepEqual(await at({ replaceAt: START + 1_000 }), { at: START + 1_000 });
    assert.deepEqual(await at({ replaceAt: START + 600_000 }), { at: START + 402_000 });
  });

  it("is ended at once when it is of no use", async () => {
    const lease = (seconds: number) => () => ({ ...ISSUED, lease: { id: "creds/1", seconds, renewable: true } });
    const short = aRun({ answers: { issue: lease(9) } });
    await assert.rejects(short.obtain(), { code: "VAULT_LEASE_UNUSABLE" });
    assert.deepEqual([asked(short).at(-1), short.claim.row.state.issues], ["revokeToken", []]);
    assert.equal((await obtained({ answers: { issue: lease(10) } })).text, "new");
    const make = async () => {
      throw new SyncError("TRANSFORM_FAILED", "no");
    };
    const refused = aRun({ kind: { make }, answers: { revokeToken: () => "denied", revokeLease: () => "denied" } });
    await assert.rejects(refused.obtain(), { code: "TRANSFORM_FAILED" });
    assert.deepEqual(
      refused.claim.row.state.issues?.map(({ state, endBy }) => [state, endBy]),
      [["ending", "none"]],
    );
    const bug = aRun({ kind: { make: async () => assert.fail("bug") } });
    await assert.rejects(bug.obtain(), /bug/);
    assert.equal(asked(bug).includes("revokeToken"), false, "its row still has it");
  });

  it("is tried on the Secret first after a failed write, and only then", async () => {
    const error = { code: "SECRET_REFUSED", message: "", since: START } as const;
    const admitted = async (scene: Scene) => (await obtained(scene)).admitted;
    assert.deepEqual(await admitted({ own: WAS, state: { error } }), [["password"]]);
    assert.deepEqual(await admitted({ own: WAS, state: { error: { ...error, code: "VAULT_DENIED" } } }), [undefined]);
    assert.deepEqual(await admitted({ own: WAS }), [undefined]);
    assert.deepEqual(await admitted({ own: { ...WAS, request: "another" }, state: { error } }), [undefined]);
    const tried = { ...WAS, request: "another", tried: WAS.request ?? "" };
    assert.deepEqual(await admitted({ own: tried, state: { error } }), [["password"]]);
  });

  it("has the keys, the refresh and the rest that its next run compares", async () => {
    const { own } = await obtained({
      annotations: { [REFRESH]: "2" },
      made: { made: { serial: "1" }, missing: ["tls.crt"] },
    });
    assert.deepEqual([own.refresh, own.made, own.missing, own.keys], ["2", { serial: "1" }, ["tls.crt"], ["password"]]);
  });
});

describe("what a crash or a failed write left", () => {
  const got = (changed: Partial<Issue> = {}) => live({ serial: "got", state: "got", digest: DIGEST, ...changed });

  it("is in use though nothing else was", async () => {
    const one = await obtained({ held: HELD, own: WAS, state: { issues: [got()] } });
    assert.deepEqual([one.text, one.result.issues?.map(({ state }) => state)], ["held", ["live"]]);
  });

  it("is ended, and asked for anew, though another one is in use: the log says why", async () => {
    const sealedToken = `${aRun({}).claim.row.key} got hvs.former`;
    const other = got({ sealedToken, digest: "other" });
    const one = await obtained(inUse({ state: { issues: [live(), other] } }));
    assert.equal(one.text, "new");
    assert.ok(one.vault.said.includes("credential-asked-for: an earlier answer was not written"));
  });

  it("is in use when the Secret has its data", async () => {
    const one = await obtained(inUse({ state: { digest: "former", issues: [live(), got()] } }));
    assert.deepEqual([one.text, asked(one)], ["held", []]);
    assert.deepEqual(
      one.result.issues?.map(({ serial, state }) => `${serial} ${state}`),
      ["live ending", "got live"],
    );
    assert.equal(one.claim.row.state.digest, DIGEST);
  });

  it("is ended, and asked for anew, when the Secret has other data", async () => {
    const sealedToken = `${aRun({}).claim.row.key} got hvs.former`;
    for (const issue of [got({ sealedToken }), got({ sealedToken, digest: "other" })]) {
      const one = await obtained({ ...inUse({ state: { issues: [issue] } }), held: undefined });
      assert.deepEqual(asked(one), ["revokeToken", "login", "endRights", "issue"]);
      assert.deepEqual(
        one.result.issues?.map(({ state }) => state),
        ["live"],
      );
    }
  });

  it("may still be under way: it is ended after its time", async () => {
    const asking = anIssue({ serial: "asking", state: "asking", endAt: START + 60_000 });
    const one = await obtained(inUse({ state: { issues: [live(), asking] } }));
    assert.deepEqual(
      one.result.issues?.map(({ state, endAt }) => [state, endAt]),
      [
        ["live", undefined],
        ["ending", START + 60_000],
      ],
    );
    assert.deepEqual(asked(one), []);
  });
});

describe("an answer without a lease", () => {
  const answers = { issue: leaseless };
  const shared = (more: Partial<Scene> = {}): Scene =>
    inUse({ ...more, own: { ...WAS, isLeaseless: true, ...more.own }, state: { issues: [], ...more.state } });

  it("ends the login that it was asked with, and is remembered as such", async () => {
    const one = await obtained({ answers });
    assert.deepEqual([one.own.isLeaseless, one.result.issues, asked(one).at(-1)], [true, [], "revokeToken"]);
    assert.equal((await obtained({})).own.isLeaseless, undefined);
  });

  it("is kept without a lease, and the next one is asked for with the shared token", async () => {
    assert.equal((await obtained(shared())).text, "held");
    const one = await obtained({ ...shared({ answers: { ask: leaseless } }), held: undefined });
    assert.deepEqual([one.text, asked(one), one.result.issues, one.own.isLeaseless], ["new", ["ask"], [], true]);
    assert.deepEqual(one.own.asks, [...WAS.asks, START]);
    assert.deepEqual(
      one.vault.requests.map((request) => (request as { repeatable: boolean }).repeatable),
      [false],
    );
  });

  it("is read each time where that issues nothing, and keeps the Secret's data while it is the same", async () => {
    const kind = { isReadEachTime: () => true, isSame: () => true };
    const one = await obtained(shared({ kind, answers: { ask: leaseless } }));
    assert.deepEqual([one.text, asked(one), one.admitted, one.own.asks], ["held", ["ask"], [], WAS.asks]);
    assert.deepEqual(
      one.vault.requests.map((request) => (request as { repeatable: boolean }).repeatable),
      [true],
    );
    assert.equal(one.result.isRotation, false);
    for (const other of [
      shared({ kind: { ...kind, isSame: () => false }, answers: { ask: leaseless } }),
      { ...shared({ kind, answers: { ask: leaseless } }), held: undefined },
    ]) {
      const next = await obtained(other);
      assert.deepEqual([next.text, next.result.isRotation], ["new", true]);
    }
  });

  it("that has a lease now is not used: the lease is revoked, and the next one has a login of its own", async () => {
    for (const namespace of ["team", undefined]) {
      const request = { ...aResolved().request, ...(namespace && { namespace }) };
      const one = aRun({ ...shared({ resolved: { request } }), held: undefined });
      await assert.rejects(one.obtain(), { code: "VAULT_ANSWER_INVALID" });
      assert.deepEqual(asked(one), ["ask", "ask"]);
      const { request: revocation, repeatable } = one.vault.requests[1] as {
        readonly request: object;
        readonly repeatable: boolean;
      };
      assert.equal(repeatable, true, "a lease that is revoked twice is revoked");
      assert.deepEqual(revocation, {
        ...{ method: "POST", mount: "sys/leases", path: "revoke", body: { lease_id: "creds/1" } },
        ...(namespace && { namespace }),
      });
      assert.equal(issuedState(one.claim.row.state).isLeaseless, undefined);
    }
  });

  it("that has a lease now, which can't be revoked, is not used either", async () => {
    let asked = 0;
    const ask = () => {
      if (asked++ === 0) return ISSUED;
      throw new SyncError("VAULT_DENIED", "no");
    };
    const one = aRun({ ...shared({ answers: { ask } }), held: undefined });
    await assert.rejects(one.obtain(), { code: "VAULT_ANSWER_INVALID" });
    assert.ok(one.vault.said.includes("issue-not-ended: VAULT_DENIED"));
    asked = 0;
    const bug = () => {
      if (asked++ === 0) return ISSUED;
      throw new TypeError("bug");
    };
    await assert.rejects(aRun({ ...shared({ answers: { ask: bug } }), held: undefined }).obtain(), TypeError);
  });

  it("is asked for with a login of its own where another request, or VSO, may have left a lease", async () => {
    for (const own of [{ request: "another" }, { isTaken: true }]) {
      const one = await obtained({ ...shared({ own, answers }), held: undefined });
      assert.equal(asked(one)[0], "login", JSON.stringify(own));
    }
  });

  it("has a certificate that is recorded, with the login that revokes it, before it is written", async () => {
    const certificate = { serial: "17:0a", mount: "pki", seconds: 3_600 };
    const one = await obtained({ answers, made: { certificate }, state: { issues: [live()] } });
    const recorded = one.recorded.at(-1)?.issues;
    assert.deepEqual(
      recorded?.map(({ serial, state }) => `${serial} ${state}`),
      ["live live", "17:0a got"],
    );
    assert.deepEqual(
      one.result.issues?.map(({ serial, state }) => `${serial} ${state}`),
      ["live ending", "17:0a live"],
    );
    const [, issue] = one.result.issues ?? [];
    assert.deepEqual(issue?.certificate, { serial: "17:0a", mount: "pki" });
    assert.deepEqual(
      [issue?.tokenSeconds, issue?.shared, issue?.digest],
      [3_600, true, digestOf(KEY, one.result.data)],
    );
  });

  it("keeps what a predecessor has in Vault until that has ended", async () => {
    const former = live({ serial: "former", state: "ending", endAt: START + 60_000 });
    const one = await obtained({
      answers,
      held: undefined,
      own: WAS,
      state: { digest: DIGEST, issues: [former, live()] },
    });
    assert.deepEqual(
      one.result.issues?.map(({ serial, state }) => `${serial} ${state}`),
      ["former ending", "live ending"],
    );
    assert.equal(one.result.issues?.[0]?.endAt, START + 60_000, "what ends already is left alone");
  });

  it("has a certificate whose row knows of it before it is written", async () => {
    const certificate = { serial: "17:0a", mount: "pki", seconds: 3_600 };
    const one = await obtained({ answers, made: { certificate, made: { serial: "17:0a" } } });
    assert.deepEqual(issuedState({ own: one.recorded.at(-1)?.own as Json }).made, { serial: "17:0a" });
  });

  it("is told as tried while it is not written", async () => {
    const one = aRun({ answers, own: { ...WAS, request: "another", keys: ["old"] } });
    await one.obtain();
    const noted = issuedState(one.claim.row.state);
    assert.deepEqual([noted.tried, noted.request, noted.keys], [WAS.request, "another", ["password"]]);
  });
});

describe("a new credential of a Vault that fleet.yaml knows", () => {
  it("is asked for within the time that requests may take there", async () => {
    const endsAt = async (vaults?: readonly object[]) => {
      const one = aRun({
        answers: {
          issue: () => {
            throw new SyncError("VAULT_UNAVAILABLE", "silent", { outcome: "unknown" } as never);
          },
        },
      });
      Object.assign(one.run, { settings: { ...one.run.settings, ...(vaults && { vaults }) } });
      await assert.rejects(one.obtain());
      const [asking] = one.recorded;
      return (asking?.issues?.[0]?.endAt ?? 0) - START;
    };
    const main = { name: "main", addresses: ["https://vault.example"], identities: [] };
    const usual = await endsAt();
    assert.equal(usual, await endsAt([main]));
    assert.equal((await endsAt([{ ...main, maxRequestDurationMs: 300_000 }])) - usual, 210_000);
  });
});

describe("what a row knows of an issuing kind", () => {
  const full: IssuedState = {
    ...{ request: "r", tried: "t", refresh: "1", keys: ["a"], asks: [1], issuedAt: 1, replaceAt: 2, planned: "p" },
    ...{ isLeaseless: true, isTaken: true, isDenied: true, missing: ["m"], made: { a: 1 } },
  };

  it("is read as it was written", () => {
    assert.deepEqual(issuedState({ own: ownIssued(full) }), full);
    assert.deepEqual(issuedState({}), { keys: [], asks: [] });
    assert.deepEqual(ownIssued({ keys: [], asks: [], refresh: undefined as never }), { keys: [], asks: [] });
  });

  it("counts as missing where it can't be read", () => {
    const own = {
      ...{ request: 1, tried: 1, refresh: 1, keys: "a", asks: "1", issuedAt: "1", replaceAt: 1.5, planned: 1 },
      ...{ isLeaseless: "true", isTaken: 1, isDenied: 0, missing: {}, made: "a" },
    };
    assert.deepEqual(issuedState({ own }), { keys: [], asks: [] });
    const parts = { keys: ["a", 1], asks: [1, "2", 2 ** 60], missing: [1, "m"] };
    assert.deepEqual(issuedState({ own: parts }), { keys: ["a"], asks: [1], missing: ["m"] });
  });
});

describe("what issues anew", () => {
  const { asks, destination } = aResolved();
  const of = (changed: Parameters<typeof aResolved>[0]) => requestOf(aResolved(changed));
  const withIdentity = (changed: object) =>
    of({ asks: { ...asks, identity: { ...asks.identity, ...changed } as never } });
  const { method } = asks.identity;

  it("is another login, Secret or cause", () => {
    const others = [
      of({ cause: "another" }),
      ...[{ name: "web" }, { type: "kubernetes.io/tls" }, { create: false }].map((changed) =>
        of({ destination: { ...destination, ...changed } }),
      ),
      ...[
        { target: { ...asks.identity.target, address: "https://other.example" } },
        ...[{ namespace: "other" }, { mount: "other" }, { headers: { a: "b" } }],
        { method: { ...method, role: "other" } },
        { method: { ...method, credential: { ...method.credential, name: "other" } } },
      ].map(withIdentity),
    ];
    assert.equal(new Set([of({}), ...others]).size, others.length + 1);
  });

  it("is no other version of what says it, and nothing of what it is used for", () => {
    const version = { method: { ...method, credential: { ...method.credential, version: "2" } } };
    for (const same of [
      withIdentity(version),
      withIdentity({ id: "other" }),
      of({ renewalPercent: 50 }),
      of({ revokesReplaced: false }),
    ])
      assert.equal(same, of({}));
  });
});
