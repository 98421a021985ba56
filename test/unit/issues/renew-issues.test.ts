import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { endsAtEarliest, type Renewing, renewAgainIn, renewIssues } from "../../../lib/issues/renew-issues.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import type { RenewAnswer } from "../../../lib/ports/vault-issues.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aKey } from "../../builders.ts";
import { aLease, anIssue, leaseless, START } from "./an-issue.ts";
import { type Answers, anIssuingVault, IDENTITY, WAY } from "./an-issuing-vault.ts";

const KEY = aKey();
const SLOT = { period: 100, phase: 0 };
const LEASE = "database/creds/app/x";
const atVault: Renewing["atVault"] = (_target, work) => work();
const on = new AbortController().signal;

/** At a slot in which the token of an hour is renewed, and one in which it is not: each 16th one. */
const WITH_TOKEN = 1_600_000 * Math.ceil(START / 1_600_000);
const WITHOUT_TOKEN = WITH_TOKEN + 100_000;

const kept = (changed: Partial<Issue> = {}) =>
  anIssue({ sealedToken: `${KEY} ${changed.serial ?? "one"} hvs.one`, renewWithin: 270, ...changed });

async function renew(
  issues: readonly Issue[],
  answers: Partial<Answers> = {},
  at = WITHOUT_TOKEN,
  isAway = async (_circuit: string) => false,
) {
  const vault = anIssuingVault({ renewLease: () => answer(600), ...answers });
  const { lost, renewed, unanswered } = await renewIssues(vault.deps, {
    ...{ key: KEY, issues, slot: SLOT, at, isAway, signal: on },
    atVault,
  });
  return { vault, lost: [...lost], renewed: [...renewed], unanswered: [...unanswered] };
}

function answer(seconds: number): RenewAnswer {
  return { kind: "renewed", seconds, renewable: true };
}

describe("a slot of the renew wheel", () => {
  it("renews the lease, and the token before it when it is the token's turn", async () => {
    const { vault, renewed } = await renew([kept()]);
    assert.deepEqual(vault.asked, [`renewLease hvs.one ${LEASE} 600`]);
    assert.deepEqual(renewed, ["one"]);
    assert.deepEqual(vault.counts, ["keyferry_issue_renewals_total east renewed"]);
    const both = await renew([kept()], {}, WITH_TOKEN);
    assert.deepEqual(both.vault.asked, ["renewToken hvs.one 3600", `renewLease hvs.one ${LEASE} 600`]);
  });

  it("renews the token each time where that is all there is to renew", async () => {
    const sealedToken = `${KEY} one hvs.one`;
    for (const issue of [
      leaseless({ sealedToken, renewWithin: 270 }),
      kept({ vaultLease: aLease({ renewable: false }) }),
    ]) {
      const { vault, renewed } = await renew([issue]);
      assert.deepEqual([vault.asked, renewed], [["renewToken hvs.one 3600"], ["one"]]);
    }
  });

  it("renews no token that can't be", async () => {
    const { vault } = await renew([kept({ tokenRenewable: false })], {}, WITH_TOKEN);
    assert.deepEqual(vault.asked, [`renewLease hvs.one ${LEASE} 600`]);
  });

  it("lets a replaced lease end by itself, and keeps its token until then", async () => {
    const replaced = kept({ state: "ending", endAt: START + 1 });
    const { vault, renewed } = await renew([replaced], {}, WITH_TOKEN);
    assert.deepEqual([vault.asked, renewed], [["renewToken hvs.one 3600"], ["one"]]);
    const gone = await renew([replaced], { renewToken: () => ({ kind: "gone" }) }, WITH_TOKEN);
    assert.deepEqual([gone.lost, gone.renewed, gone.unanswered], [[], [], []]);
  });

  it("leaves what nobody needs any more", async () => {
    const over = kept({ state: "ending", endAt: START });
    const { vault, renewed } = await renew([over]);
    assert.deepEqual([vault.asked, renewed], [[], []]);
  });

  it("tells what Vault renews no more, or not for as long as asked", async () => {
    const because = async (lease: RenewAnswer) => (await renew([kept()], { renewLease: () => lease })).lost;
    assert.deepEqual(await because({ kind: "gone" }), [["one", "gone"]]);
    assert.deepEqual(await because({ kind: "denied" }), [["one", "denied"]]);
    assert.deepEqual(await because(answer(598)), [["one", "truncated"]]);
    assert.deepEqual(await because(answer(599)), [], "a second less is rounding");
  });

  it("tells no more of what is known to be lost", async () => {
    const { vault, lost } = await renew([kept({ lost: "truncated" })], { renewLease: () => ({ kind: "gone" }) });
    assert.deepEqual([vault.asked.length, lost], [1, []]);
  });

  it("asks nothing of the lease once the token is lost", async () => {
    for (const [token, because] of [
      [{ kind: "denied" }, "denied"],
      [answer(3_598), "truncated"],
    ] as const) {
      const { vault, lost } = await renew([kept()], { renewToken: () => token }, WITH_TOKEN);
      assert.deepEqual([vault.asked, lost], [["renewToken hvs.one 3600"], [["one", because]]]);
    }
  });

  it("asks no Vault that is away, and tells what was not answered", async () => {
    const circuits: string[] = [];
    const isAway = async (circuit: string) => circuits.push(circuit) > 0;
    const away = await renew([kept()], {}, WITHOUT_TOKEN, isAway);
    assert.deepEqual([away.vault.asked, away.unanswered], [[], ["one"]]);
    assert.deepEqual(circuits, ["vault:https://vault.example"]);
    assert.deepEqual(away.vault.counts, ["keyferry_issue_renewals_total east unanswered"]);
    const throws = () => {
      throw new SyncError("VAULT_UNAVAILABLE", "away");
    };
    const silent = await renew([kept(), kept({ serial: "two" })], { renewLease: throws });
    assert.deepEqual([silent.unanswered, silent.lost, silent.renewed], [["one", "two"], [], []]);
    assert.deepEqual(silent.vault.said, [
      "issue-not-renewed: VAULT_UNAVAILABLE",
      "issue-not-renewed: VAULT_UNAVAILABLE",
    ]);
  });

  it("hides no bug", async () => {
    const bug = () => {
      throw new TypeError("bug");
    };
    await assert.rejects(renew([kept()], { renewLease: bug }), TypeError);
  });

  it("tells an issue that can't be read as not answered", async () => {
    for (const issue of [kept({ target: "unknown" }), kept({ sealedToken: "of another key" })]) {
      const { vault, unanswered } = await renew([issue]);
      assert.deepEqual([vault.asked, unanswered], [[], ["one"]]);
    }
  });
});

describe("a renewal without an answer until the lease has ended", () => {
  const throws = () => {
    throw new SyncError("VAULT_TLS_REFUSED", "another CA");
  };

  it("is taken for its end, because Vault's word may never come", async () => {
    const before = await renew([kept({ atRisk: START + 1 })], { renewLease: throws });
    assert.deepEqual([before.unanswered, before.lost], [["one"], []]);
    const over = await renew([kept({ atRisk: START })], { renewLease: throws });
    assert.deepEqual([over.unanswered, over.lost], [[], [["one", "gone"]]]);
  });

  it("waits for Vault while that is away for all", async () => {
    const { unanswered, lost } = await renew([kept({ atRisk: START })], {}, WITHOUT_TOKEN, async () => true);
    assert.deepEqual([unanswered, lost], [["one"], []]);
  });

  it("is not waited for where Vault says for a whole slot that it has it, and does not renew it", async () => {
    const renewLease = (): RenewAnswer => ({ kind: "unrenewed" });
    const first = await renew([kept()], { renewLease });
    assert.deepEqual([first.unanswered, first.lost], [["one"], []]);
    assert.deepEqual(first.vault.said, ["issue-not-renewed: Vault still has it, and does not renew it now"]);
    const next = await renew([kept({ atRisk: START + 60_000 })], { renewLease });
    assert.deepEqual([next.unanswered, next.lost], [[], [["one", "gone"]]]);
  });

  it("is not waited for where a gateway lets no renewal through for a whole slot", async () => {
    const gateway = (code: "VAULT_ANSWER_INVALID" | "VAULT_DENIED", outcome: "none" | "unknown") => () => {
      throw new SyncError(code, "not allowed", { outcome });
    };
    for (const code of ["VAULT_ANSWER_INVALID", "VAULT_DENIED"] as const) {
      const barred = { renewLease: gateway(code, "unknown") };
      assert.deepEqual((await renew([kept()], barred)).unanswered, ["one"]);
      const again = await renew([kept({ atRisk: START + 60_000 })], barred, WITHOUT_TOKEN + 15_000);
      assert.deepEqual([again.unanswered, again.lost], [[], [["one", "gone"]]]);
    }
    const ofVault = { renewLease: gateway("VAULT_ANSWER_INVALID", "none") };
    assert.deepEqual((await renew([kept({ atRisk: START + 60_000 })], ofVault)).unanswered, ["one"]);
  });

  it("is waited for where a gateway bars only the first try of the next slot, while there is time for others", async () => {
    const renewLease = () => {
      throw new SyncError("VAULT_DENIED", "not allowed", { outcome: "unknown" });
    };
    const first = await renew([kept({ atRisk: START + 30_001 })], { renewLease });
    assert.deepEqual([first.unanswered, first.lost], [["one"], []]);
    const late = await renew([kept({ atRisk: START + 30_000 })], { renewLease });
    assert.deepEqual([late.unanswered, late.lost], [[], [["one", "gone"]]]);
  });

  it("is not waited for where nobody can ask: such an issue is lost after a whole slot, while it is good", async () => {
    for (const issue of [kept({ target: "unknown" }), kept({ sealedToken: "of another key" })]) {
      const { lost } = await renew([{ ...issue, atRisk: START + 60_000 }]);
      assert.deepEqual(lost, [["one", "gone"]]);
    }
  });
});

describe("a lease whose token is not ours", () => {
  const foreign = (changed: Partial<Issue> = {}) =>
    anIssue({ shared: true, sealedToken: "", target: "login", renewWithin: 270, ...changed });
  const renewed = async (
    issue: Issue,
    way: object = { ...WAY, identity: IDENTITY },
    answers: Partial<Answers> = {},
  ) => {
    const vault = anIssuingVault({ renewLease: () => answer(600), ...answers });
    vault.targets.set("login", way as Json);
    const input = {
      key: KEY,
      issues: [issue],
      slot: SLOT,
      at: WITH_TOKEN,
      isAway: async () => false,
      atVault,
      signal: on,
    };
    const { lost, renewed } = await renewIssues(vault.deps, input);
    return { vault, lost: [...lost], renewed: [...renewed] };
  };
  const lease = { identity: IDENTITY, id: LEASE, seconds: 600, by: KEY };

  it("is renewed by the login that its target names, and no token is", async () => {
    const { vault, renewed: done } = await renewed(foreign());
    assert.deepEqual([vault.asked, done], [["renewForeign"], ["one"]]);
    assert.deepEqual(vault.requests, [{ ...lease, namespace: "team" }]);
    const { namespace: _namespace, ...way } = WAY;
    assert.deepEqual((await renewed(foreign(), { ...way, identity: IDENTITY })).vault.requests, [lease]);
  });

  it("is lost when that login may not renew it", async () => {
    const { lost } = await renewed(foreign(), undefined, { renewLease: () => ({ kind: "denied" }) });
    assert.deepEqual(lost, [["one", "denied"]]);
  });

  it("ends by itself once it is replaced", async () => {
    const { vault, renewed: done } = await renewed(foreign({ state: "ending", endAt: START + 1 }));
    assert.deepEqual([vault.asked, done], [[], ["one"]]);
  });
});

describe("a renewal that was not answered", () => {
  it("is tried again several times before the TTL's end", () => {
    assert.equal(renewAgainIn({ renewWithin: 4 }), 2_000);
    assert.equal(renewAgainIn({ renewWithin: 10 }), 2_500);
    assert.equal(renewAgainIn({ renewWithin: 59 }), 14_750);
    assert.equal(renewAgainIn({ renewWithin: 270 }), 15_000);
    assert.equal(renewAgainIn({}), 15_000, "nothing is urgent");
    assert.equal(renewAgainIn({ renewWithin: 59 }, true), 14_750);
    assert.equal(renewAgainIn({ renewWithin: 270 }, true), 60_000, "Vault has answered");
  });

  it("may end what was renewed a whole slot before", () => {
    assert.equal(endsAtEarliest(anIssue(), SLOT, START), START + 500_000);
    assert.equal(endsAtEarliest(anIssue({ tokenSeconds: 300 }), SLOT, START), START + 200_000);
    assert.equal(endsAtEarliest(anIssue({ tokenSeconds: 0 }), SLOT, START), START + 500_000, "this token never ends");
    assert.equal(endsAtEarliest(leaseless(), SLOT, START), START + 3_500_000);
    assert.equal(endsAtEarliest(anIssue({ tokenSeconds: 1 }), SLOT, START), START - 99_000);
  });
});
