import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Progress } from "../../../lib/discovery/list-and-watch.ts";
import type { RowBudget } from "../../../lib/discovery/row-budget.ts";
import { errorOf, sightless, sightOf } from "../../../lib/discovery/sight.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { ClusterState } from "../../../lib/ports/store.ts";

const NOW = Date.UTC(2030, 0, 1);
const KEPT = { rows: 7, bytes: 700 };
const BEFORE: ClusterState = { cursors: { old: { resourceVersion: "1", movedAt: 1 } }, attempts: 2, uid: "u" };
const denied = new SyncError("KUBE_DENIED", "no");
const away = new SyncError("KUBE_UNREACHABLE", "away");
const late = new SyncError("DEADLINE_EXCEEDED", "late");
const full = new SyncError("CLUSTER_TOO_LARGE", "full");
type Awaiting = NonNullable<ClusterState["awaitingApproval"]>;
const cursor = { resourceVersion: "7", movedAt: NOW };

function sight(
  progress: Readonly<Record<string, Progress>>,
  before = BEFORE,
  {
    problem,
    isOver = false,
    declared = new Set(Object.keys(progress)),
    missing = {},
  }: {
    readonly problem?: SyncError;
    readonly isOver?: boolean;
    readonly declared?: ReadonlySet<string>;
    readonly missing?: { open?: string; awaiting?: Awaiting; problem?: SyncError };
  } = {},
) {
  const budget = { kept: () => KEPT, problem: () => problem } as unknown as RowBudget;
  const lacking = {
    isOpen: (list: string) => list === missing.open,
    ...{ awaiting: () => missing.awaiting, problem: () => missing.problem },
  };
  const progressOf = new Map(Object.entries(progress));
  return sightOf(before, { progressOf, declared, budget, missing: lacking, isOver }, NOW);
}

describe("what the watches of a cluster found", () => {
  it("is a cursor for each kind, and no trace of former trouble", () => {
    const before = { ...BEFORE, error: errorOf(denied, BEFORE, 1), outOfSight: 1 };
    const { state, error } = sight({ a: { cursor }, b: {} }, before);
    assert.deepEqual(state, { cursors: { a: cursor }, attempts: 0, uid: "u", kept: KEPT });
    assert.equal(error, undefined);
  });

  it("is the error of one kind beside the cursors of the others", () => {
    const { state, error } = sight({ a: { cursor }, b: { error: denied } });
    assert.equal(error, denied);
    assert.deepEqual(state, {
      ...{ cursors: { a: cursor }, attempts: 3, uid: "u", kept: KEPT },
      error: { code: "KUBE_DENIED", message: "no", since: NOW },
    });
  });

  it("is an outage first of all, and no end of time", () => {
    assert.equal(sight({ a: { error: denied }, b: { error: away } }).error, away);
    assert.equal(sight({ a: { error: late }, b: { error: denied } }).error, denied);
    assert.equal(sight({ a: { error: late } }).error, undefined);
  });

  it("is out of sight when the time of the pass was not enough for a list, and not for a watch", () => {
    const { state, error } = sight({ a: { cursor }, b: { error: late }, c: { error: denied } }, BEFORE, {
      isOver: true,
    });
    assert.deepEqual([error, state.error?.code, state.outOfSight], [late, "DEADLINE_EXCEEDED", NOW]);
    assert.deepEqual([state.cursors, state.attempts], [{ a: cursor }, 3]);
    assert.equal(sight({ a: { error: late }, b: { error: away } }, BEFORE, { isOver: true }).error, away);
    assert.equal(sight({ a: { cursor, error: late } }, BEFORE, { isOver: true }).error, undefined);
  });

  it("is in sight when no time was left for a credential, whose list begins after those of all kinds", () => {
    const found = { a: { cursor }, "Secret:shop/login": { error: late } };
    const { state, error } = sight(found, BEFORE, { isOver: true, declared: new Set(["a"]) });
    assert.deepEqual(
      [error, state.outOfSight, state.cursors, state.attempts],
      [undefined, undefined, { a: cursor }, 0],
    );
  });

  it("has the cursors of all kinds, and of no more credentials than the cluster's row has room for", () => {
    const found = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`Secret:${"n".repeat(60)}/${at}`, { cursor }]));
    const cursorsOf = (count: number) =>
      sight({ ...found(count), a: { cursor } }, BEFORE, { declared: new Set(["a"]) }).state.cursors;
    assert.equal(Object.keys(cursorsOf(400)).length, 401);
    const many = cursorsOf(5_000);
    assert.deepEqual(many.a, cursor);
    assert.ok(JSON.stringify(many).length < 66_000, `${JSON.stringify(many).length} bytes`);
  });

  it("is out of sight from the first time on when no kind can be read", () => {
    assert.equal(sight({ a: { error: denied } }).state.outOfSight, NOW);
    assert.equal(sight({ a: { error: denied } }, { ...BEFORE, outOfSight: 5 }).state.outOfSight, 5);
    assert.equal(sight({ a: {} }).state.outOfSight, undefined);
    assert.deepEqual([sightless({ ...BEFORE, outOfSight: 5 }), sightless(BEFORE)], [{ isOutOfSight: true }, {}]);
  });

  it("is listed again while missing declarations await approval, since the first time", () => {
    const awaitingApproval = { since: NOW, gone: 11, of: 12 };
    const missing = { open: "a", awaiting: awaitingApproval };
    const first = sight({ a: { cursor }, b: { cursor } }, BEFORE, { missing }).state;
    assert.deepEqual([first.cursors, first.awaitingApproval], [{ b: cursor }, awaitingApproval]);
    const before = { ...BEFORE, awaitingApproval: { since: 5, gone: 1, of: 2 } };
    const again = sight({ a: { cursor } }, before, { missing });
    assert.deepEqual(again.state.awaitingApproval, { since: 5, gone: 11, of: 12 });
    assert.equal(sight({ a: { cursor } }, before).state.awaitingApproval, undefined, "they are back");
    assert.equal(sight({ a: { error: denied } }, before).state.awaitingApproval, undefined);
    assert.deepEqual(
      sight({ a: { error: away } }, before).state.awaitingApproval,
      before.awaitingApproval,
      "who knows",
    );
  });

  it("has the time since when each list can't be read, unless it is refused or was cut off too early", () => {
    const rejected = new SyncError("KUBE_REJECTED", "not served");
    const found = { a: { cursor }, b: { error: rejected }, c: { error: denied }, d: { error: late }, e: {} };
    assert.deepEqual(sight(found).state.unread, { b: NOW });
    const before = { ...BEFORE, unread: { a: 1, b: 2, c: 3, d: NOW + 4 } };
    assert.deepEqual(sight(found, before, { isOver: true }).state.unread, { b: 2, d: NOW }, "the clock was set back");
    assert.deepEqual(sight(found, before, { declared: new Set(["a"]) }).state.unread, undefined);
  });

  it("tells why missing declarations could not be read by name", () => {
    const { state, error } = sight({ a: { cursor } }, BEFORE, { missing: { open: "a", problem: denied } });
    assert.deepEqual([error, state.error?.code, state.cursors], [denied, "KUBE_DENIED", {}]);
  });

  it("tells what is too much for the table, as no failure of the cluster", () => {
    const { state, error } = sight({ a: { cursor } }, BEFORE, { problem: full });
    assert.deepEqual([state.error?.code, state.attempts, error], ["CLUSTER_TOO_LARGE", 0, undefined]);
    assert.equal(sight({ a: { error: denied } }, BEFORE, { problem: full }).state.error?.code, "KUBE_DENIED");
  });

  it("has an error since when it was this one", () => {
    const before = { ...BEFORE, error: { code: "KUBE_DENIED" as const, message: "", since: 5 } };
    assert.equal(errorOf(denied, before, NOW).since, 5);
    assert.equal(errorOf(away, before, NOW).since, NOW);
  });
});
