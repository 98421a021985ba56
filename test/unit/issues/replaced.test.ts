import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookedAt, type Replacing, replacedIssue, revokeReplacedProblem } from "../../../lib/issues/replaced.ts";
import { anIssue, START } from "./an-issue.ts";

const REVOKE_REPLACED = "keyferry.dev/revoke-replaced";
const TARGETS = [{ kind: "Deployment", name: "web" }] as const;
const BY_LEASE = START + 600_000;

function replacing(changed: Partial<Replacing> = {}): Replacing {
  return { annotations: {}, targets: TARGETS, revokes: true, ...changed };
}

describe("a replaced credential", () => {
  it("is in use until its workloads run with the next one, 15 minutes at most", () => {
    const issue = replacedIssue(anIssue({ lost: "truncated" }), replacing(), START);
    assert.deepEqual([issue.state, issue.endAt, issue.inUseUntil], ["ending", START + 15_000, START + 900_000]);
    assert.equal(issue.replacedAt, START);
    assert.equal("lost" in issue, false);
  });

  it("ends by itself without workloads, where its declaration says so, and where nothing is revoked", () => {
    const wish = (text: string) => ({ [REVOKE_REPLACED]: text });
    for (const one of [
      replacing({ targets: [] }),
      replacing({ annotations: wish("at-end") }),
      replacing({ revokes: false }),
      replacing({ revokes: false, annotations: wish("1m") }),
    ]) {
      const issue = replacedIssue(anIssue(), one, START);
      assert.deepEqual([issue.endAt, issue.inUseUntil, issue.replacedAt], [BY_LEASE, undefined, START]);
    }
  });

  it("ends after the time that its declaration gives it", () => {
    const issue = replacedIssue(anIssue(), replacing({ annotations: { [REVOKE_REPLACED]: "1m" } }), START);
    assert.deepEqual([issue.endAt, issue.inUseUntil, issue.replacedAt], [START + 60_000, undefined, START]);
  });

  it("is forgotten at once where it is a certificate that is not to be revoked", () => {
    const certificate = { serial: "1", mount: "pki" };
    const issue = replacedIssue(anIssue({ certificate, endBy: "none" }), replacing(), START);
    assert.deepEqual([issue.state, issue.endAt, issue.inUseUntil], ["ending", START, undefined]);
  });

  it("is treated as usual where the wish is none", () => {
    const issue = replacedIssue(anIssue(), replacing({ annotations: { [REVOKE_REPLACED]: "soon" } }), START);
    assert.equal(issue.inUseUntil, START + 900_000);
  });
});

it("a wish that is none is told, and no other", () => {
  const problem = (wish?: string) => revokeReplacedProblem(wish === undefined ? {} : { [REVOKE_REPLACED]: wish });
  assert.deepEqual([problem(), problem("at-end"), problem("30s")], [undefined, undefined, undefined]);
  assert.match(problem("soon") ?? "", /revoke-replaced must be a duration.*no effect/);
});

describe("a look at the workloads of a replaced credential", () => {
  const inUse = replacedIssue(anIssue(), replacing(), START);

  it("ends it after all of them run with the next one, and their pods from before have ended", () => {
    const { inUseUntil: _until, ...rest } = inUse;
    for (const [graceMs, afterMs] of [
      [0, 30_000],
      [30_000, 35_000],
      [3_600_000, 3_605_000],
    ] as const)
      assert.deepEqual(lookedAt(inUse, graceMs, START), { ...rest, endAt: START + afterMs });
  });

  it("leaves it to its own end when pods may take more than an hour to end", () => {
    const left = lookedAt(inUse, 3_600_001, START + 20_000);
    assert.deepEqual([left.endAt, left.inUseUntil, left.state], [START + 620_000, undefined, "ending"]);
  });

  it("is repeated, the last time when it ends by itself", () => {
    const now = START + 20_000;
    assert.deepEqual(lookedAt(inUse, undefined, now), { ...inUse, endAt: now + 15_000 });
    assert.deepEqual(lookedAt(inUse, undefined, START + 890_000), { ...inUse, endAt: START + 900_000 });
  });

  it("leaves it to its own end after 15 minutes", () => {
    const over = START + 900_000;
    const left = lookedAt(inUse, undefined, over);
    assert.deepEqual([left.endAt, left.inUseUntil, left.state], [over + 600_000, undefined, "ending"]);
    const { inUseUntil: _until, ...timeless } = inUse;
    assert.equal(lookedAt(timeless, undefined, 0).endAt, 600_000);
  });
});
