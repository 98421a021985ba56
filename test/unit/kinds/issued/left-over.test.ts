import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Issue } from "../../../../lib/ports/issues.ts";
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
});
