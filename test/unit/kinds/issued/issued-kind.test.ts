import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../../../lib/digest.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import type { Obtained } from "../../../../lib/kinds/kind.ts";
import type { Issue } from "../../../../lib/ports/issues.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { START } from "../../issues/an-issue.ts";
import { ISSUED } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun, KEY, type Scene } from "./a-credential.ts";
import { asked, inUse, live, obtained, REFRESH, SERIAL_END, WAS } from "./obtained.ts";

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

  it("stays when the cluster's missingKey is switched, and its row says so", async () => {
    const { transformation } = aResolved();
    const strict = { transformation: { ...transformation, missingKey: "error" } } as const;
    const one = await obtained(inUse({ resolved: strict, own: { ...WAS, tried: WAS.request ?? "" } }));
    const request = requestOf(aResolved(strict));
    assert.deepEqual([one.text, asked(one), one.own], ["held", [], { ...WAS, request, tried: request }]);
    assert.notEqual(await aRun(inUse({ resolved: strict })).foresee(), "would-issue");
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
    const gone = (changed: Partial<Issue> = {}) => inUse({ state: { issues: [live({ lost: "gone", ...changed })] } });
    const { vaultLease: { seconds = 0 } = {} } = live();
    const whole = { ...WAS, issuedAt: START - seconds * 1_000 };
    const before = { ...whole, issuedAt: START - seconds * 1_000 + 1 };
    assert.deepEqual(await asks({ ...gone(), own: before }), [...WAS.asks, START]);
    assert.deepEqual(await asks({ ...gone(), own: whole }), WAS.asks, "it has served for the whole of its lease");
    assert.deepEqual(await asks({ ...gone({ atRisk: START }), own: before }), WAS.asks, "nobody renewed it");
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

  it("is asked for after six requests without an answer in an hour, but not within a minute of the last one", async () => {
    const MINUTE = 60_000;
    const before = (...minutes: readonly number[]) => minutes.map((ago) => START - ago * MINUTE);
    const asking = (unanswered: readonly number[], state: Scene["state"] = {}) =>
      aRun({ own: { ...WAS, unanswered }, state });
    const hurried = before(59, 5, 4, 3, 2, 0.5);
    const failed = { code: "VAULT_FAILED", message: "the last failure", since: START } as const;
    const again = asking(hurried, { error: failed });
    await assert.rejects(again.obtain(), { code: failed.code, message: failed.message, retryAfterMs: MINUTE / 2 });
    assert.deepEqual(asked(again), []);
    const outage = { ...failed, code: "VAULT_UNAVAILABLE" } as const;
    const elsewhere = { ...failed, code: "KUBE_FAILED" } as const;
    for (const state of [{}, { error: outage }, { error: elsewhere }])
      await assert.rejects(asking(hurried, state).obtain(), { code: "VAULT_NO_ANSWER", retryAfterMs: MINUTE / 2 });
    for (const unanswered of [before(5, 4, 3, 2, 0.5), before(60, 5, 4, 3, 2, 0.5), before(6, 5, 4, 3, 2, 1)]) {
      const one = asking(unanswered, { error: failed });
      await one.obtain();
      assert.deepEqual(asked(one), ["login", "endRights", "issue"]);
      const recorded = issuedState({ own: one.recorded[0]?.own as Json }).unanswered;
      assert.deepEqual(recorded, [...unanswered.filter((at) => at > START - 60 * MINUTE), START].slice(-6));
    }
  });

  it("is counted by what Vault certainly did", async () => {
    const failing = (outcome?: "none" | "unknown") => ({
      issue: () => {
        throw new SyncError("VAULT_FAILED", "no", outcome === undefined ? {} : { outcome });
      },
    });
    const left = async (scene: Scene) => {
      const one = aRun(scene);
      await assert.rejects(one.obtain());
      const { asks, unanswered } = issuedState(one.claim.row.state);
      return { asks, unanswered };
    };
    const own = { ...WAS, unanswered: [START - 1] };
    assert.deepEqual(await left({ own, answers: failing("none") }), { asks: WAS.asks, unanswered: [START - 1] });
    for (const outcome of ["unknown", undefined] as const) {
      const unanswered = [START - 1, START];
      assert.deepEqual(await left({ own, answers: failing(outcome) }), { asks: WAS.asks, unanswered });
    }
    const short = { issue: () => ({ ...ISSUED, lease: { id: "creds/1", seconds: 5, renewable: true } }) };
    assert.deepEqual(await left({ own, answers: short }), { asks: [...WAS.asks, START], unanswered: undefined });
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

  it("tells on, while its renewals are not answered, until when it is valid", async () => {
    const one = await obtained(inUse({ state: { issues: [live({ atRisk: START })] } }));
    assert.deepEqual(one.text, "held");
    assert.deepEqual(
      one.result.warnings.map(({ reason, type }) => [type, reason]),
      [["CredentialRenewed", "LeaseAtRisk"]],
    );
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
    const before = issuedState({ own: asking?.own as Json });
    assert.deepEqual([before.asks, before.unanswered], [WAS.asks, [START]], "nobody knows of its answer");
    assert.deepEqual(
      got?.issues?.map(({ state }) => state),
      ["live", "got"],
    );
    const after = issuedState({ own: got?.own as Json });
    assert.deepEqual([after.issuedAt, after.asks, after.unanswered], [START, [...WAS.asks, START], undefined]);
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
