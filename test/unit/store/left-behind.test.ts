import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import type { Lease } from "../../../lib/ports/store.ts";
import {
  awaitingKey,
  claimedState,
  demandNoIssues,
  endedState,
  mergeOwned,
  mergePushed,
  recordedState,
  retiredDueAt,
  retiredState,
  settledState,
  tombstonedState,
} from "../../../lib/store/left-behind.ts";
import { aKey, anIssue, aPlace, aPushed, aReferenceKey } from "../../builders.ts";

const event = (id: string) => ({ id, kind: "SecretSynced", at: 1, detail: {} });
const FAILED = { code: "VAULT_DENIED", message: "refused", since: 1 } as const;

/** Everything that a row may hold. */
const FULL: RowState = {
  ...{ refs: [aReferenceKey()], awaits: ["cause:X:1"], place: aPlace(), bridgeUntil: 5, attempts: 3, error: FAILED },
  ...{ own: { step: 1 }, digest: "d", rolledDigest: "r", owned: [{ name: "db" }], issues: [anIssue()] },
  ...{ pushed: [aPushed()], unsent: [event("1")] },
};

describe("lease-table 28: the state of a clean-up", () => {
  it("keeps what has to be cleaned up, and nothing that the declaration asked for", () => {
    const { place: _place, awaits: _awaits, bridgeUntil: _bridge, error: _error, ...kept } = FULL;
    assert.deepEqual(tombstonedState(FULL, undefined), { ...kept, refs: [], attempts: 0 });
    assert.deepEqual(tombstonedState(EMPTY_STATE, { leaseUntil: 9, fence: 4 }), {
      ...EMPTY_STATE,
      ...{ busyUntil: 9, busyFence: 4 },
    });
  });

  it("has everything that an earlier clean-up of the same declaration had", () => {
    const before = { ...EMPTY_STATE, issues: [anIssue()], pushed: [aPushed()], unsent: [event("1")] };
    const times = { busyUntil: 1, busyFence: 6, retainUntil: 1 };
    assert.deepEqual(tombstonedState(EMPTY_STATE, undefined, { ...before, ...times }), { ...before, ...times });
    assert.deepEqual(tombstonedState({ ...before, ...times }, undefined, EMPTY_STATE), { ...before, ...times });
    assert.deepEqual(tombstonedState(EMPTY_STATE, undefined, EMPTY_STATE), EMPTY_STATE);
  });

  it("waits for time alone after two runs, and for no run that nobody knows", () => {
    const busy = { ...EMPTY_STATE, busyUntil: 8 };
    assert.deepEqual(tombstonedState({ ...busy, busyFence: 2 }, undefined, { ...busy, busyFence: 1 }), busy);
    assert.deepEqual(tombstonedState(EMPTY_STATE, undefined, busy), busy);
  });

  it("ends its wait with the run that it waits for, and with no other", () => {
    const state = { ...EMPTY_STATE, busyUntil: 8, busyFence: 2 };
    assert.deepEqual(endedState(state, { fence: 2 }), EMPTY_STATE);
    assert.equal(endedState(state, { fence: 3 }), undefined);
    assert.equal(endedState({ ...EMPTY_STATE, busyFence: 2 }, { fence: 2 }), undefined);
    assert.equal(settledState(EMPTY_STATE, assert.fail), EMPTY_STATE);
    assert.equal(
      settledState(state, () => state),
      state,
    );
    assert.deepEqual(
      settledState(state, () => EMPTY_STATE),
      EMPTY_STATE,
    );
    const key = aKey();
    assert.equal(awaitingKey({ key, uid: "u" }), cleanupKey(key, "u"));
    assert.equal(awaitingKey({ key: cleanupKey(key, "u"), uid: "u" }), cleanupKey(key, "u"));
  });

  it("has both when it is merged, in order, and the later time", () => {
    const state = (n: number): RowState => ({
      ...{ refs: [], attempts: 0, owned: [{ name: `${n}` }], issues: [anIssue({ serial: `${n}` })] },
      ...{ pushed: [aPushed(`${n}`)], unsent: [event(`${n}`)] },
    });
    const both: RowState = {
      ...{ refs: [], attempts: 0, owned: [{ name: "1" }, { name: "2" }] },
      ...{ issues: [anIssue({ serial: "1" }), anIssue({ serial: "2" })], pushed: [aPushed("1"), aPushed("2")] },
      unsent: [event("1"), event("2")],
    };
    const merged = (one: Partial<RowState>, two: Partial<RowState>) =>
      tombstonedState({ ...state(2), ...two }, undefined, { ...state(1), ...one });
    assert.deepEqual(merged({}, {}), both);
    for (const [one, two] of [
      [7, 8],
      [8, 7],
    ] as const) {
      assert.deepEqual(merged({ busyUntil: one, retainUntil: two }, { busyUntil: two, retainUntil: one }), {
        ...both,
        ...{ busyUntil: 8, retainUntil: 8 },
      });
    }
  });
});

describe("lease-table 28: the state of a row that is retired", () => {
  const kept = { refs: [], owned: [], attempts: 0, issues: FULL.issues };

  it("keeps its issues, what its kind knows of them, and events that are not sent", () => {
    const { own, digest, unsent } = FULL;
    assert.deepEqual(retiredState(FULL, 7, undefined), { ...kept, own, digest, unsent, retainUntil: 7 });
    assert.deepEqual(retiredState({ ...EMPTY_STATE, issues: FULL.issues ?? [] }, undefined, undefined), kept);
    assert.deepEqual(retiredState(EMPTY_STATE, undefined, undefined), { ...EMPTY_STATE, issues: [] });
  });

  it("keeps the retention that it has when it gets no other", () => {
    const state = { ...EMPTY_STATE, issues: FULL.issues ?? [], retainUntil: 5 };
    assert.equal(retiredState(state, undefined, undefined).retainUntil, 5);
    assert.equal(retiredState(state, 3, undefined).retainUntil, 3);
  });

  it("is due when something of it is to be ended, and not for what lives until the retention is over", () => {
    const of = (...issues: readonly ReturnType<typeof anIssue>[]) => retiredDueAt({ ...EMPTY_STATE, issues }, 9);
    assert.equal(retiredDueAt(EMPTY_STATE, 9), 9);
    assert.equal(of(anIssue({ state: "live", endAt: 3 })), 9);
    assert.equal(of(anIssue({ state: "ending", endAt: 5 }), anIssue({ state: "asking", endAt: 4 })), 4);
    assert.equal(of(anIssue({ state: "ending", endAt: 5 }), anIssue({ state: "ending" })), 5);
  });

  it("knows until when somebody works on it, and has what an earlier clean-up had", () => {
    const state = { ...EMPTY_STATE, issues: [anIssue({ serial: "2" })] };
    const before = { ...EMPTY_STATE, issues: [anIssue({ serial: "1" })], busyUntil: 4 };
    assert.deepEqual(retiredState(state, 7, { leaseUntil: 9, fence: 6 }, before), {
      ...{ refs: [], owned: [], attempts: 0, retainUntil: 7, busyUntil: 9 },
      issues: [anIssue({ serial: "1" }), anIssue({ serial: "2" })],
    });
  });
});

it("lease-table 28: of a Secret both are kept, what an earlier state and what a later one knows", () => {
  const [before, later] = [
    { name: "db", uid: "u", type: "Opaque" },
    { name: "db", uid: "v" },
  ];
  assert.deepEqual(mergeOwned([before], [later]), [{ name: "db", uid: "v", type: "Opaque" }]);
});

it("lease-table 31: the same path of two Vaults is two paths", () => {
  const other = aPushed("db", { vault: "other" });
  assert.deepEqual(mergePushed([aPushed()], [other]), [aPushed(), other]);
  assert.deepEqual(mergePushed([aPushed()], [aPushed("db", { version: 2 })]), [aPushed("db", { version: 2 })]);
});

it("lease-table 8: a claim adds what it is about to write, and leaves the state alone when that is nothing", () => {
  assert.equal(claimedState(FULL, undefined, []), FULL);
  assert.deepEqual(claimedState(FULL, [{ name: "new" }], []), { ...FULL, owned: [{ name: "db" }, { name: "new" }] });
  assert.deepEqual(claimedState(FULL, undefined, [aPushed("new")]), { ...FULL, pushed: [aPushed("new"), aPushed()] });
  const known = { ...EMPTY_STATE, pushed: [aPushed("db", { version: 3 })] };
  assert.deepEqual(claimedState(known, undefined, [aPushed()]), known, "what is recorded stays");
});

describe("lease-table 26: what a record stores", () => {
  const lease = (state: RowState): Lease => ({ key: aKey(), uid: "u", fence: 1, until: 9, nudges: 0, state });

  it("has the references, waits, place and events of the claim", () => {
    const changed = { ...FULL, refs: [], awaits: [], place: aPlace("other"), unsent: [event("2")], digest: "new" };
    assert.deepEqual(recordedState(lease(FULL), changed), { ...FULL, digest: "new" });
  });

  it("has none of them where the claim had none", () => {
    const { awaits: _awaits, place: _place, unsent: _unsent, ...rest } = FULL;
    assert.deepEqual(recordedState(lease(EMPTY_STATE), FULL), { ...rest, refs: [] });
  });
});

it("lease-table 28: nothing with an issue is forgotten", () => {
  demandNoIssues("k", {});
  demandNoIssues("k", { issues: [] });
  assert.throws(() => demandNoIssues("k", { issues: [anIssue()] }), /k has 1 issues: it can't be forgotten/);
});
