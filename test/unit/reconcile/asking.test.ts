import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import type { Resolved } from "../../../lib/kinds/kind.ts";
import { EMPTY_STATE, type Row, type RowState } from "../../../lib/ports/rows.ts";
import { askingOf, causePlaceOf, longestPauseOf, type RunMode } from "../../../lib/reconcile/asking.ts";
import { longestPause } from "../../../lib/schedule/back-off.ts";
import { aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const RESOLVED = { destination: { name: "app" }, refreshAfterMs: 60_000 } as unknown as Resolved;
const UNRESOLVED = new SyncError("REFERENCE_MISSING", "there is no VaultAuth");
const DUE: RunMode = { isDue: true, at: NOW - 1_000, readAt: NOW - 500 };
const REFRESH: RunMode = { ...DUE, isDue: false };

const failed = (nextAt: number): Partial<RowState> => ({
  settledAt: NOW - 60_000,
  error: { code: "VAULT_DENIED", message: "no", since: NOW - 60_000, nextAt, cause: "VAULT_DENIED:1" },
});
const rowWith = (state: Partial<RowState>, row: Partial<Row> = {}) =>
  aRow({ dueAt: NOW - 2_000, state: { ...EMPTY_STATE, ...state }, ...row });
const asking = (row: Row, mode = DUE, resolved: Resolved | SyncError = RESOLVED) => askingOf(row, resolved, mode, NOW);

describe("a sync that takes part in shared failures", () => {
  it("is routine when its failure's own time has come, and nothing else has", () => {
    const planned = rowWith(failed(NOW - 2_000));
    assert.equal(asking(planned).isRoutine, true);
    assert.equal(asking(planned, REFRESH).isRoutine, false);
    assert.equal(asking(planned, DUE, UNRESOLVED).isRoutine, false, "without its references nothing can be asked");
    assert.equal(asking({ ...planned, verify: true }).isRoutine, false);
    assert.equal(asking(rowWith(failed(NOW))).isRoutine, false, "something else made it due");
    assert.equal(asking(rowWith({})).isRoutine, false);
    const { dueAt: _dueAt, ...timeless } = rowWith({});
    assert.equal(asking(timeless).isRoutine, false);
  });

  it("was asked for when a person or a change made it due", () => {
    assert.equal(asking(rowWith(failed(NOW))).isAskedFor, true);
    assert.equal(asking(rowWith(failed(NOW - 2_000))).isAskedFor, false, "its own time");
    assert.equal(asking(rowWith({})).isAskedFor, false, "it was only just declared");
    assert.equal(asking(rowWith(failed(NOW)), REFRESH).isAskedFor, false);
    assert.equal(asking(rowWith({}, { verify: true }), REFRESH).isAskedFor, true);
  });

  it("takes an answer that is newer than what asked for it", () => {
    assert.equal(asking(rowWith(failed(NOW))).since, NOW - 2_000);
    assert.equal(asking(rowWith({})).since, NOW - 7_000, "a first run takes a slightly older one");
    assert.equal(asking(rowWith(failed(NOW)), REFRESH).since, NOW - 6_000);
    assert.equal(asking(rowWith(failed(NOW), { verify: true })).since, NOW - 500);
    const { dueAt: _dueAt, ...timeless } = rowWith(failed(NOW));
    assert.equal(asking(timeless).since, NOW - 6_000);
  });

  it("knows what it waited for, and when it asks", () => {
    const { before, at, key, longestMs } = asking(rowWith(failed(NOW)));
    assert.deepEqual([before, at, key], ["VAULT_DENIED:1", NOW, rowWith({}).key]);
    assert.equal(longestMs, longestPauseOf(RESOLVED));
    assert.deepEqual(asking(rowWith({})).ahead(), [], "it asks no Vault");
  });

  it("waits no longer than its own pace, or long without references", () => {
    assert.equal(longestPauseOf(RESOLVED), longestPause(60_000));
    assert.equal(longestPauseOf(UNRESOLVED), longestPause(undefined));
  });

  it("is at a place, as far as it is known", () => {
    assert.deepEqual(causePlaceOf(rowWith({}), UNRESOLVED), { cluster: "east", namespace: "shop" });
    assert.deepEqual(causePlaceOf(rowWith({}), RESOLVED), { cluster: "east", namespace: "shop", destination: "app" });
    const asks = { identity: {}, id: "read", circuit: "vault:v", place: {} } as unknown as NonNullable<
      Resolved["asks"]
    >;
    assert.deepEqual(causePlaceOf(rowWith({}), { ...RESOLVED, asks }).asks, asks);
  });
});
