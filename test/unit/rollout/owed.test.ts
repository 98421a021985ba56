import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE, type Row, type RowState } from "../../../lib/ports/rows.ts";
import type { LeaseStore, RowSummary } from "../../../lib/ports/store.ts";
import { owedRestarts, thatOweRestarts } from "../../../lib/rollout/owed.ts";
import type { Json } from "../../../lib/util/json.ts";
import { aKey, aReferenceKey, aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);

function owing(attempts: number, conditions: readonly Json[] = []): RowState {
  const rollout = { digest: "k:d", since: NOW, at: NOW + 10_000, attempts };
  return { ...EMPTY_STATE, rollout, seen: { resourceVersion: "1", hash: "h", status: { conditions } } };
}

describe("what is told of restarts that a sync owes", () => {
  const failed = { type: "RolloutRestart", status: "False", message: "no Deployment app" };

  it("is the reason of the failure, once one failed", () => {
    const told = (attempts: number, conditions: readonly Json[]) =>
      owedRestarts({ state: owing(attempts, conditions) })?.message;
    assert.equal(told(1, [{ type: "Ready", status: "False", message: "of another" }, failed]), "no Deployment app");
    assert.equal(told(0, [failed]), undefined, "that of the restart before");
    assert.equal(told(1, [{ ...failed, status: "True" }]), undefined, "that of one that succeeded");
    assert.equal(told(1, [{ ...failed, message: 7 }]), undefined);
    assert.equal(told(1, []), undefined);
    const { seen: _seen, ...unseen } = owing(1);
    assert.equal(owedRestarts({ state: unseen })?.message, undefined);
  });

  it("is since when it is owed, when it is tried, and how often it was", () => {
    const times = { since: NOW, at: NOW + 10_000 };
    assert.deepEqual(owedRestarts({ state: owing(0, [failed]) }), { ...times, attempts: 0 });
    assert.deepEqual(owedRestarts({ state: owing(2, []) }), { ...times, attempts: 2 });
    assert.deepEqual(owedRestarts({ state: owing(2, [failed]) }), { ...times, attempts: 2, message: failed.message });
  });

  it("is nothing of a sync that owes none", () => {
    assert.equal(owedRestarts({ state: EMPTY_STATE }), undefined);
  });
});

describe("the syncs that owe restarts", () => {
  it("are looked for among those that are due, hundreds with each read; clean-ups and references owe none", async () => {
    const reads: number[] = [];
    const leases: Pick<LeaseStore, "read"> = {
      async read(keys) {
        reads.push(keys.length);
        return new Map(keys.map((key): [typeof key, Row] => [key, aRow({ key, state: owing(0) })]));
      },
    };
    const due = (key: string, dueAt: number | undefined = NOW) => ({ key, dueAt }) as unknown as RowSummary;
    const names = Array.from({ length: 501 }, (_, at) => `db-${at}`);
    const rows = [
      ...names.map((name) => due(aKey(name))),
      { key: aKey("not-due") } as unknown as RowSummary,
      due(cleanupKey(aKey("gone"), "uid")),
      due(aReferenceKey()),
    ];
    const found = await thatOweRestarts(leases, rows);
    assert.deepEqual(
      [...found.keys()],
      names.map((name) => aKey(name)),
    );
    assert.deepEqual(reads, [500, 1]);
    const none: Pick<LeaseStore, "read"> = { read: async (keys) => new Map(keys.map((key) => [key, aRow({ key })])) };
    assert.deepEqual([...(await thatOweRestarts(none, rows))], []);
  });
});
