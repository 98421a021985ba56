import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey, type SyncKey } from "../../../lib/keys.ts";
import type { ReconcileDeps } from "../../../lib/ports/deps.ts";
import type { Issue } from "../../../lib/ports/issues.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import { dueAfter, endAll, endDue, endUnused, isOnlyEnding, leaveAll, stayed } from "../../../lib/reconcile/duties.ts";
import { aDeclared, aKey, aRow } from "../../builders.ts";
import { aClaim } from "../../claims.ts";
import { anIssue, leaseless, START } from "../issues/an-issue.ts";
import { anIssuingVault } from "../issues/an-issuing-vault.ts";

const KEY = aKey();
const WHEEL = { period: 60, phase: 7 };
const FAILED = { code: "VAULT_DENIED", message: "no", since: 1 } as const;
const { signal } = new AbortController();

const sealed = (changed: Partial<Issue> = {}) =>
  anIssue({ sealedToken: `${KEY} ${changed.serial ?? "one"} hvs.one`, ...changed });
const ending = (endAt: number, changed: Partial<Issue> = {}) => sealed({ state: "ending", endAt, ...changed });

/** A row as it was settled when this declaration was applied. */
function applied(state: Partial<RowState>, dueAt?: number, key: SyncKey = KEY, deleting = false) {
  const declared = aDeclared({ key, deleting });
  const { dueAt: _dueAt, ...row } = aRow({ declared });
  return {
    ...row,
    ...(dueAt === undefined ? {} : { dueAt }),
    state: { ...EMPTY_STATE, appliedHash: declared.hash, ...state },
  };
}

describe("a row that is due for the end of a former credential alone", () => {
  it("is due at its time, and at none of its own", () => {
    assert.equal(isOnlyEnding(applied({ issues: [ending(START)] }, START)), true);
    assert.equal(isOnlyEnding(applied({ issues: [anIssue()] }, START)), false, "nothing ends");
    assert.equal(isOnlyEnding(applied({ issues: [ending(START)] }, START + 1)), false);
    assert.equal(isOnlyEnding(applied({ issues: [ending(START)] })), false);
    assert.equal(isOnlyEnding(applied({ issues: [ending(START)], nextAt: START }, START)), false);
    const rollout = { digest: "d", since: 1, at: START, attempts: 0 };
    assert.equal(isOnlyEnding(applied({ issues: [ending(START)], rollout }, START)), false);
  });

  it("has no failure that is retried then, and may have another one", () => {
    const of = (nextAt: number) =>
      isOnlyEnding(applied({ issues: [ending(START)], error: { ...FAILED, nextAt }, nextAt: START }, START));
    assert.deepEqual([of(START), of(START + 1)], [false, true]);
  });

  it("is none that a change or a nudge may have made due", () => {
    const row = applied({ issues: [ending(START)] }, START);
    assert.equal(isOnlyEnding({ ...row, verify: true }), false);
    assert.equal(isOnlyEnding({ ...row, state: { ...row.state, appliedHash: "older" } }), false);
    assert.equal(isOnlyEnding({ ...row, nudges: 3, nudgesSeen: 2 }), false);
    assert.equal(isOnlyEnding({ ...row, nudges: 3, nudgesSeen: 3 }), true);
  });

  it("is due now after a claim for something else that saw its nudges", () => {
    const row = applied({ issues: [ending(START)] }, START);
    assert.equal(dueAfter({ ...row, nudges: 3, nudgesSeen: 2 }, START + 1), START + 1);
    assert.equal(dueAfter({ ...row, nudges: 3, nudgesSeen: 3 }, START + 1), START);
  });

  it("may be a clean-up, when all else of it is done", () => {
    const cleanup = (state: Partial<RowState>) =>
      isOnlyEnding(applied({ issues: [ending(START)], ...state }, START, cleanupKey(KEY, "uid"), true));
    assert.equal(cleanup({}), true);
    assert.equal(cleanup({ owned: [{ name: "db" }] }), false);
    assert.equal(cleanup({ issues: [ending(START), anIssue()] }), false);
  });
});

describe("a row that stays as it was", () => {
  it("has the first of its own times, and of those of its endings", () => {
    const at = (state: Partial<RowState>, due?: number) => stayed(applied(state), START, due).schedule;
    assert.deepEqual(at({}), { kind: "parked" });
    assert.deepEqual(at({ nextAt: 9 }), { kind: "due", at: 9 });
    assert.deepEqual(at({ nextAt: 9, issues: [ending(7)] }), { kind: "due", at: 7 });
    assert.deepEqual(at({ nextAt: 9, issues: [ending(7)] }, 5), { kind: "due", at: 5 });
    assert.deepEqual(at({ nextAt: 9, error: { ...FAILED, nextAt: 11 } }), { kind: "due", at: 11 });
  });

  it("stays on its wheels", () => {
    const row = { ...applied({ issues: [anIssue({ renewWithin: 270 })] }), wheel: WHEEL };
    const settlement = stayed(row, START);
    assert.deepEqual(settlement.schedule, { kind: "wheel", slot: WHEEL });
    assert.equal(typeof settlement.renew === "object" && settlement.renew.period <= 270, true);
    assert.deepEqual(stayed({ ...row, state: { ...row.state, nextAt: 9 } }, START).schedule, {
      ...{ kind: "wheel", slot: WHEEL, dueAt: 9 },
    });
    assert.equal(stayed(applied({ issues: [ending(7)] }), START).renew, "off");
    assert.deepEqual([settlement.now, settlement.state], [START, row.state]);
  });

  it("goes when it is a clean-up that has nothing left", () => {
    const key = cleanupKey(KEY, "uid");
    assert.deepEqual(stayed(applied({}, undefined, key), START).schedule, { kind: "gone" });
    assert.deepEqual(stayed(applied({ issues: [ending(7)] }, undefined, key), START).schedule, { kind: "due", at: 7 });
    assert.deepEqual(stayed(applied({}), START).schedule, { kind: "parked" });
  });
});

/** What becomes of these issues in a run. */
async function after(
  issues: readonly Issue[] | undefined,
  work: (deps: ReconcileDeps, claim: Awaited<ReturnType<typeof aClaim>>) => Promise<void> | void,
) {
  const vault = anIssuingVault();
  const claim = await aClaim(applied({ ...(issues && { issues }) }), () => START);
  await work(vault.deps as unknown as ReconcileDeps, claim);
  return { left: claim.row.state.issues, asked: vault.asked };
}

describe("when a declaration is gone", () => {
  const all = (issues?: readonly Issue[]) => after(issues, (deps, claim) => endAll(deps, claim, signal));

  it("what is in use, or got and not used, is ended at once, also where workloads may still use it", async () => {
    for (const issue of [
      sealed(),
      sealed({ state: "got" }),
      ending(START + 60_000),
      ending(START + 60_000, { inUseUntil: START + 60_000 }),
      ending(START + 60_000, { certificate: { serial: "1", mount: "pki" } }),
    ]) {
      assert.deepEqual(await all([issue]), { left: [], asked: ["revokeToken hvs.one"] }, JSON.stringify(issue));
    }
  });

  it("what may still be under way, and what failed to end, keeps its time", async () => {
    const { vaultLease: _lease, ...unanswered } = ending(START + 60_000);
    for (const issue of [unanswered, ending(START + 60_000, { tries: 1 })]) {
      assert.deepEqual(await all([issue]), { left: [issue], asked: [] });
    }
    const { left, asked } = await all([leaseless({ state: "asking", endAt: START + 60_000 })]);
    assert.deepEqual([left?.[0]?.state, left?.[0]?.endAt, asked], ["ending", START + 60_000, []]);
  });

  it("a row without any stays as it is", async () => {
    assert.deepEqual(await all(), { left: undefined, asked: [] });
  });
});

describe("what no Secret holds", () => {
  it("is ended at its time, and what is in use stays", async () => {
    const [live, due, later] = [sealed({ serial: "live" }), ending(START), ending(START + 1, { serial: "later" })];
    const asking = leaseless({ serial: "asking", state: "asking", endAt: START + 5 });
    const { left, asked } = await after([live, due, later, asking], (deps, claim) => endUnused(deps, claim, signal));
    assert.deepEqual(asked, ["revokeToken hvs.one"]);
    assert.deepEqual(
      left?.map(({ serial, state }) => `${serial} ${state}`),
      ["live live", "later ending", "asking ending"],
    );
  });
});

describe("a replaced credential that workloads may still use", () => {
  it("is ended soon after they were restarted, and stays until then", async () => {
    const used = ending(START, { replacedAt: START - 60_000, inUseUntil: START + 600_000 });
    const endAfter = async (restartedAt: number) => {
      const { left, asked } = await after([used], (deps, claim) => {
        const get = async () => ({ createdAt: 0, restartTimes: [restartedAt], isComplete: true });
        const targets = [{ kind: "Deployment", name: "app" }] as const;
        return endDue({ ...deps, rollouts: { get } } as unknown as ReconcileDeps, claim, targets, signal);
      });
      assert.deepEqual(asked, []);
      return (left?.[0]?.endAt ?? 0) - START;
    };
    assert.equal(await endAfter(START - 60_000), 35_000, "then it is ended");
    assert.equal(await endAfter(START - 60_001), 15_000, "then they are looked at again");
  });
});

describe("when a declaration is still there", () => {
  it("what is in use ends by itself", async () => {
    const asking = leaseless({ serial: "asking", state: "asking", endAt: START + 5 });
    const replaced = ending(START + 7, { serial: "ending" });
    const { left, asked } = await after([sealed(), asking, replaced], (_deps, claim) => leaveAll(claim, START));
    assert.deepEqual(
      left?.map(({ serial, state, endAt }) => [serial, state, endAt]),
      [
        ["one", "ending", START + 600_000],
        ["asking", "ending", START + 5],
        ["ending", "ending", START + 7],
      ],
    );
    assert.deepEqual(asked, []);
    assert.equal((await after(undefined, (_deps, claim) => leaveAll(claim, START))).left, undefined);
  });
});
