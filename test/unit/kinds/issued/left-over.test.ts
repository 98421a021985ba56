import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { issuedState } from "../../../../lib/kinds/issued/issued-state.ts";
import type { Issue } from "../../../../lib/ports/issues.ts";
import type { RowState } from "../../../../lib/ports/rows.ts";
import { anIssue, START } from "../../issues/an-issue.ts";
import { aRun, HELD } from "./a-credential.ts";
import { asked, DIGEST, inUse, live, obtained, WAS } from "./obtained.ts";

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

  it("is forgotten with all that was known of it, so that a run that fails then forgets nothing else", async () => {
    const own = { ...WAS, refresh: "1", replaceAt: START + 60_000, made: { requestId: "r-1" } };
    const answers = {
      login: () => {
        throw new SyncError("VAULT_SEALED", "no");
      },
    };
    const other = got({ digest: "other" });
    const failed = aRun(inUse({ own, answers, state: { issues: [live(), other] } }));
    await assert.rejects(failed.obtain(), { code: "VAULT_SEALED" });
    const { issuedAt: _at, ...none } = WAS;
    assert.deepEqual(issuedState(failed.claim.row.state), none);
    const next = await obtained({ held: HELD, state: failed.claim.row.state });
    assert.equal(next.text, "new");
  });

  it("is no credential in use for a plan, unless the Secret has its data", async () => {
    const other = got({ digest: "other" });
    const asking = anIssue({ serial: "asking", state: "asking", endAt: START + 60_000 });
    const foreseen = async (state: Partial<RowState>) => {
      const one = aRun(inUse({ state }));
      const seen = await one.foresee();
      assert.deepEqual(asked(one), []);
      return typeof seen === "string" ? seen : seen.kind;
    };
    assert.equal(await foreseen({ issues: [live(), other] }), "would-issue");
    assert.equal(await foreseen({ digest: "former", issues: [live(), got()] }), "data");
    assert.equal(await foreseen({ issues: [live(), asking] }), "data");
  });

  it("was taken for the lease in use by former versions: another one is asked for", async () => {
    const other = { ...WAS, issuedAt: START - 30_000 };
    assert.equal((await obtained(inUse({ own: other }))).text, "new");
    assert.equal((await obtained(inUse({ own: other, state: { issues: [live({ shared: true })] } }))).text, "held");
  });
});
