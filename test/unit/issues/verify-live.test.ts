import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { verifyLive } from "../../../lib/issues/verify-live.ts";
import type { Claim } from "../../../lib/ports/claim.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import type { RowState } from "../../../lib/ports/rows.ts";
import type { IssueApi, LeaseAnswer } from "../../../lib/ports/vault-issues.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aKey, aRow } from "../../builders.ts";
import { aLease, anIssue, leaseless } from "./an-issue.ts";
import { type Answers, anIssuingVault, IDENTITY, WAY } from "./an-issuing-vault.ts";

const KEY = aKey();
const on = new AbortController().signal;
const held = (changed: Partial<Issue> = {}) =>
  anIssue({ state: "live", sealedToken: `${KEY} one hvs.one`, ...changed });

interface Story {
  readonly issue?: Issue;
  readonly verify?: boolean;
  readonly looked?: () => LeaseAnswer;
  readonly token?: "found" | "denied";
  readonly answers?: Partial<Answers>;
}

/** What becomes of the live issue, and what Vault was asked. */
async function verified({ issue = held(), verify = true, looked, token = "found", answers }: Story) {
  const vault = anIssuingVault(answers);
  vault.targets.set("foreign", { ...WAY, identity: IDENTITY } as unknown as Json);
  const asked: string[] = [];
  const more: Pick<IssueApi, "lookUpLease" | "lookUpToken"> = {
    async lookUpLease() {
      asked.push("lookUpLease");
      return looked?.() ?? { kind: "renewed", seconds: 1, renewable: true };
    },
    async lookUpToken() {
      asked.push("lookUpToken");
      return token === "denied" ? { kind: token } : ({ kind: token } as Awaited<ReturnType<IssueApi["lookUpToken"]>>);
    },
  };
  let row = aRow({ key: KEY, verify, state: { ...aRow().state, issues: [issue] } });
  const claim = {
    get row() {
      return row;
    },
    note(learned: Partial<RowState>) {
      row = { ...row, state: { ...row.state, ...learned } };
    },
  } as Claim;
  const deps = { ...vault.deps, issues: { ...vault.deps.issues, ...more } };
  const failed = await verifyLive(deps, claim, on).catch((error: unknown) => error);
  const [now] = row.state.issues ?? [];
  const calls = [...asked, ...vault.asked.map((one) => one.split(" ")[0])];
  return { asked: calls, requests: vault.requests, now, failed };
}

const gone = (): LeaseAnswer => ({ kind: "gone" });
const denied = (): LeaseAnswer => ({ kind: "denied" });

describe("a lease that may be gone", () => {
  it("is looked up, and noted as lost only if it is gone", async () => {
    const there = await verified({});
    assert.deepEqual([there.asked, there.now], [["lookUpLease"], held()]);
    const { asked, now } = await verified({ looked: gone });
    assert.deepEqual([asked, now], [["lookUpLease"], held({ lost: "gone" })]);
  });

  it("is left alone where nobody doubts it, and where there is no lease", async () => {
    for (const story of [
      { verify: false },
      { issue: leaseless({ state: "live" }) },
      { issue: held({ lost: "denied" }) },
      { issue: held({ state: "ending" }) },
    ]) {
      assert.deepEqual((await verified(story)).asked, []);
    }
  });

  it("is renewed where its token may not look it up; without that, its token tells", async () => {
    const renewed = await verified({ looked: denied });
    assert.deepEqual([renewed.asked, renewed.now], [["lookUpLease", "renewLease"], held()]);
    const lost = await verified({ looked: denied, answers: { renewLease: () => ({ kind: "denied" }) } });
    assert.deepEqual(lost.now, held({ lost: "denied" }));
    const issue = held({ vaultLease: aLease({ renewable: false }) });
    for (const token of ["found", "denied"] as const) {
      const { asked, now } = await verified({ issue, looked: denied, token });
      assert.deepEqual(asked, ["lookUpLease", "lookUpToken"]);
      assert.deepEqual(now, token === "found" ? issue : { ...issue, lost: "denied" });
    }
  });

  it("of Vault Secrets Operator is renewed by the login, because its token is not ours", async () => {
    const issue = held({ shared: true, sealedToken: "", target: "foreign" });
    const { asked, requests, now } = await verified({ issue, answers: { renewLease: () => ({ kind: "gone" }) } });
    assert.deepEqual([asked, now], [["renewForeign"], { ...issue, lost: "gone" }]);
    const { id, seconds } = issue.vaultLease ?? assert.fail();
    assert.deepEqual(requests, [{ identity: IDENTITY, namespace: "team", id, seconds, by: KEY }]);
  });

  it("is not gone because Vault does not renew it now", async () => {
    const { now } = await verified({ looked: denied, answers: { renewLease: () => ({ kind: "unrenewed" }) } });
    assert.deepEqual(now, held());
  });

  it("counts as gone where nobody can ask about it", async () => {
    for (const issue of [held({ sealedToken: "of another key" }), held({ target: "unknown" })]) {
      const { asked, now } = await verified({ issue });
      assert.deepEqual([asked, now], [[], { ...issue, lost: "gone" }]);
    }
  });

  it("stays in doubt when Vault does not answer, and is asked for again without an event", async () => {
    const looked = (): LeaseAnswer => {
      throw new SyncError("VAULT_UNAVAILABLE", "away");
    };
    const { now, failed } = await verified({ looked });
    assert.ok(failed instanceof SyncError);
    assert.deepEqual(now, held({ inDoubt: true }));
    const again = await verified({ issue: held({ inDoubt: true }), verify: false, looked: gone });
    assert.deepEqual(again.now, held({ lost: "gone" }));
  });
});
