import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { digestOf } from "../../../../lib/digest.ts";
import { SyncError } from "../../../../lib/errors.ts";
import { issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import type { Json } from "../../../../lib/util/json.ts";
import { START } from "../../issues/an-issue.ts";
import { ISSUED } from "../../issues/an-issuing-vault.ts";
import { aResolved, aRun, KEY, type Scene } from "./a-credential.ts";
import { asked, DIGEST, inUse, leaseless, live, obtained, WAS } from "./obtained.ts";

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
