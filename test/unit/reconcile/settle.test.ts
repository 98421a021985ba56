import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import type { WaitKey } from "../../../lib/ports/refs.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import { settleFailed, settleSynced } from "../../../lib/reconcile/settle.ts";
import { nextSlot, periodFor, phaseOf } from "../../../lib/schedule/wheel.ts";
import { anIssue, aPushed, aRow } from "../../builders.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const timing = (dispatchedUntil?: number) => ({ now: NOW, random: () => 0.5, dispatchedUntil });
const EACH_MINUTE = { everyMs: 60_000 };
const error = (code: ErrorCode) => new SyncError(code, "why");

describe("settle: when next?", () => {
  const row = aRow();
  const slot = { period: periodFor(60_000), phase: phaseOf(row.declared.group, periodFor(60_000)) };

  it("puts a synced row on the wheel, with no failure left on it", () => {
    const failed = { ...EMPTY_STATE, attempts: 3, error: { code: "VAULT_DENIED" as const, message: "x", since: 1 } };
    const { state, schedule } = settleSynced(row, failed, EACH_MINUTE, timing());
    assert.deepEqual(schedule, { kind: "wheel", slot });
    assert.equal(state.attempts, 0);
    assert.equal(state.error, undefined);
    assert.equal(state.syncedAt, NOW);
  });

  it("lease-table 31: wakes the row for an emptied path that a late write may fill", () => {
    const at = (landsBy: number) => ({ ...EMPTY_STATE, pushed: [aPushed("other"), aPushed("db", { landsBy })] });
    const due = (landsBy: number) => settleSynced(row, at(landsBy), "event", timing()).schedule;
    assert.deepEqual(due(NOW + 5_000), { kind: "due", at: NOW + 5_000 });
    assert.deepEqual(due(NOW - 5_000), { kind: "due", at: NOW + 1_000 });
    assert.deepEqual(settleSynced(row, at(NOW + 5_000), EACH_MINUTE, timing()).schedule, {
      ...{ kind: "wheel", slot, dueAt: NOW + 5_000 },
    });
    const failed = (landsBy: number) => settleFailed(at(landsBy), error("REFERENCE_INVALID"), timing()).schedule;
    const plain = settleFailed(EMPTY_STATE, error("REFERENCE_INVALID"), timing()).schedule;
    assert.deepEqual(failed(NOW + 5_000), { kind: "due", at: NOW + 5_000 });
    assert.deepEqual(failed(NOW), plain, "its own time counts for what was not done");
  });

  it("lease-table 14: keeps a refresh slot that was dispatched before the row joined the wheel", () => {
    const next = nextSlot(slot, NOW);
    const joined = settleSynced(row, EMPTY_STATE, EACH_MINUTE, timing(next));
    assert.deepEqual(joined.schedule, { kind: "wheel", slot, dueAt: next });
    const again = settleSynced({ ...row, wheel: slot }, joined.state, EACH_MINUTE, timing(next + 60_000));
    assert.deepEqual(again.schedule, { kind: "wheel", slot }, "it was on the wheel: ticks see it");
    const seen = settleSynced(row, { ...EMPTY_STATE, bridgeUntil: 1 }, EACH_MINUTE, timing(next - 1));
    assert.deepEqual([seen.schedule, "bridgeUntil" in seen.state], [{ kind: "wheel", slot }, false]);
  });

  it("gives a restart that is owed a time of its own, beside the refresh slots of the wheel", () => {
    const rollout = { digest: "d", since: NOW, at: NOW + 10_000, attempts: 0 };
    const owing = { ...EMPTY_STATE, rollout };
    assert.deepEqual(settleSynced(row, owing, EACH_MINUTE, timing()).schedule, {
      kind: "wheel",
      slot,
      dueAt: NOW + 10_000,
    });
    assert.deepEqual(settleSynced(row, owing, "event", timing()).schedule, { kind: "due", at: NOW + 10_000 });
    const next = nextSlot(slot, NOW);
    const later = { ...EMPTY_STATE, rollout: { ...rollout, at: next + 10_000 } };
    assert.deepEqual(settleSynced(row, later, EACH_MINUTE, timing(next)).schedule, {
      kind: "wheel",
      slot,
      dueAt: next,
    });
  });

  it("lets a failed row run for the restart that it owes, once at most before its own next time", () => {
    const owing = (at: number) => ({ ...EMPTY_STATE, rollout: { digest: "d", since: NOW, at, attempts: 0 } });
    const scheduleOf = (code: ErrorCode, at: number) => settleFailed(owing(at), error(code), timing()).schedule;
    for (const code of ["VAULT_DENIED", "SPEC_INVALID"] as const) {
      const without = settleFailed(EMPTY_STATE, error(code), timing()).schedule;
      assert.deepEqual(scheduleOf(code, NOW + 1), { kind: "due", at: NOW + 1 });
      assert.deepEqual(scheduleOf(code, NOW), without, "it was tried in this run");
    }
    const soon = settleFailed(EMPTY_STATE, error("VAULT_FAILED"), timing()).schedule;
    assert.deepEqual(scheduleOf("VAULT_FAILED", NOW + 3_600_000), soon);
  });

  it("waits for an event when there is no interval, or for the time that its kind asks for", () => {
    assert.deepEqual(settleSynced(row, EMPTY_STATE, "event", timing()).schedule, { kind: "parked" });
    const at = NOW + 5_000;
    assert.deepEqual(settleSynced(row, EMPTY_STATE, { at }, timing()).schedule, { kind: "due", at });
  });

  it("lease-table 10: takes a failed row off the wheel", () => {
    for (const code of ["VAULT_FAILED", "VAULT_DENIED", "SPEC_INVALID", "LEASE_LOST"] as const) {
      assert.notEqual(settleFailed(EMPTY_STATE, error(code), timing()).schedule.kind, "wheel");
    }
  });

  it("retries soon, rechecks slowly, parks what only a new declaration helps", () => {
    const at = (code: ErrorCode) => settleFailed(EMPTY_STATE, error(code), timing()).schedule;
    assert.deepEqual(at("VAULT_FAILED"), { kind: "due", at: NOW + 500 });
    const recheck = at("VAULT_DENIED");
    assert.ok(recheck.kind === "due" && recheck.at >= NOW + 15_000 && recheck.at <= NOW + 30_000);
    assert.deepEqual(at("SPEC_INVALID"), { kind: "parked" });
  });

  it("lease-table 16: leaves a row that met an outage due, for who closes the circuit", () => {
    const outage = new SyncError("VAULT_SEALED", "sealed", { circuit: "vault:x" });
    assert.deepEqual(settleFailed(EMPTY_STATE, outage, timing()).schedule, { kind: "due", at: NOW });
  });

  it("counts attempts of the same code, and keeps since when it fails", () => {
    const once = settleFailed(EMPTY_STATE, error("VAULT_DENIED"), timing()).state;
    const twice = settleFailed(once, error("VAULT_DENIED"), { ...timing(), now: NOW + 9 }).state;
    assert.equal(twice.attempts, 2);
    assert.equal(twice.error?.since, NOW);
    assert.equal(settleFailed(twice, error("VAULT_FAILED"), timing()).state.attempts, 1);
  });

  it("remembers what it waits for, through failures that say nothing of it, and no longer", () => {
    const waiting = settleFailed(EMPTY_STATE, error("VAULT_DENIED"), timing(), { cause: "VAULT_DENIED:a" }).state;
    assert.equal(waiting.error?.cause, "VAULT_DENIED:a");
    const outage = new SyncError("VAULT_UNAVAILABLE", "silent", { circuit: "vault:x" });
    assert.equal(settleFailed(waiting, outage, timing()).state.error?.cause, "VAULT_DENIED:a");
    assert.equal(settleFailed(waiting, error("SECRET_REFUSED"), timing()).state.error?.cause, undefined);
    assert.equal(settleSynced(row, waiting, "event", timing()).state.error, undefined);
  });

  it("a failure that is known from another sync is no attempt, but for the first, and says itself when to look again", () => {
    const known = { cause: "VAULT_DENIED:a", knownUntil: NOW + 250_000 };
    const first = settleFailed(EMPTY_STATE, error("VAULT_DENIED"), timing(), known);
    assert.deepEqual(first.schedule, { kind: "due", at: NOW + 250_000 });
    assert.equal(first.state.error?.nextAt, NOW + 250_000);
    assert.equal(first.state.attempts, 1);
    assert.equal(settleFailed(first.state, error("VAULT_DENIED"), timing(), known).state.attempts, 1);
  });

  it("looks again as soon as the sync's own longest pause says", () => {
    const failing = { ...EMPTY_STATE, attempts: 100, error: { code: "VAULT_DENIED" as const, message: "x", since: 1 } };
    const { schedule } = settleFailed(failing, error("VAULT_DENIED"), timing(), { longestMs: 45_000 });
    assert.ok(schedule.kind === "due" && schedule.at <= NOW + 45_000);
  });

  it("lease-table 23: says what a failure waits for, and forgets it with the next success; circuits stay", () => {
    const circuit = "circuit:vault:https://v" as const;
    const state = { ...EMPTY_STATE, awaits: [circuit] };
    const context = { cause: "SECRET_NOT_OURS:1", refused: "east/shop/db" };
    const failed = settleFailed(state, error("SECRET_NOT_OURS"), timing(), context).state;
    assert.deepEqual(failed.awaits, [circuit, "cause:SECRET_NOT_OURS:1", "destination:east/shop/db"]);
    assert.deepEqual(settleFailed(failed, error("SECRET_REFUSED"), timing()).state.awaits, [circuit]);
    assert.deepEqual(settleSynced(row, failed, "event", timing()).state.awaits, [circuit]);
    assert.equal(settleSynced(row, EMPTY_STATE, "event", timing()).state.awaits, undefined);
  });

  it("verifies once more soon after a Secret was first refused, since it may be released before the row can be found", () => {
    const context = { refused: "east/shop/db" };
    const first = settleFailed(EMPTY_STATE, error("SECRET_NOT_OURS"), timing(), context);
    assert.ok(first.schedule.kind === "due" && first.schedule.at <= NOW + 2_000);
    const next = settleFailed(first.state, error("SECRET_NOT_OURS"), timing(), context);
    assert.ok(next.schedule.kind === "due" && next.schedule.at > NOW + 2_000);
  });

  it("waits as long as Vault or the API server asks it to", () => {
    const busy = new SyncError("VAULT_FAILED", "busy", { retryAfterMs: 40_000 });
    const { schedule } = settleFailed(EMPTY_STATE, busy, timing());
    assert.ok(schedule.kind === "due" && schedule.at >= NOW + 40_000);
  });

  it("takes the wheel's slot anew when its period or its phase changes", () => {
    const next = nextSlot(slot, NOW);
    for (const wheel of [
      { ...slot, period: slot.period + 1 },
      { ...slot, phase: slot.phase + 1 },
    ]) {
      const { state, schedule } = settleSynced({ ...row, wheel }, EMPTY_STATE, EACH_MINUTE, timing(next));
      assert.deepEqual([state.bridgeUntil, schedule], [next, { kind: "wheel", slot, dueAt: next }]);
    }
  });

  it("remembers a time that its kind asks for, and forgets it when the kind asks for none", () => {
    const at = NOW + 5_000;
    assert.equal(settleSynced(row, EMPTY_STATE, { at }, timing()).state.nextAt, at);
    const asked = { ...EMPTY_STATE, nextAt: at };
    for (const next of ["event", EACH_MINUTE] as const) {
      assert.equal("nextAt" in settleSynced(row, asked, next, timing()).state, false);
    }
    assert.equal("nextAt" in settleFailed(asked, error("VAULT_FAILED"), timing()).state, false);
  });

  it("lease-table 28: runs for the end of a former credential, whatever the sync waits for", () => {
    const state = { ...EMPTY_STATE, issues: [anIssue({ state: "ending", endAt: NOW + 100 })] };
    const due = { kind: "due", at: NOW + 100 };
    assert.deepEqual(settleSynced(row, state, "event", timing()).schedule, due);
    assert.deepEqual(settleSynced(row, state, { at: NOW + 200 }, timing()).schedule, due);
    assert.deepEqual(settleSynced(row, state, { at: NOW + 50 }, timing()).schedule, { kind: "due", at: NOW + 50 });
    assert.deepEqual(settleSynced(row, state, EACH_MINUTE, timing()).schedule, {
      kind: "wheel",
      slot,
      dueAt: NOW + 100,
    });
    for (const code of ["SPEC_INVALID", "VAULT_DENIED"] as const) {
      assert.deepEqual(settleFailed(state, error(code), timing()).schedule, due, code);
    }
  });

  it("tells when a failure is tried again, if it is", () => {
    assert.equal(settleFailed(EMPTY_STATE, error("VAULT_FAILED"), timing()).state.error?.nextAt, NOW + 500);
    const parked = settleFailed(EMPTY_STATE, error("SPEC_INVALID"), timing()).state;
    assert.deepEqual(parked.error, { code: "SPEC_INVALID", message: "why", since: NOW });
    assert.deepEqual([parked.settledAt, parked.attempts, parked.syncedAt], [NOW, 1, undefined]);
  });

  it("waits for its circuit only when the outage names one, and runs at once after a lost lease", () => {
    const named = (code: ErrorCode, circuit?: string) =>
      settleFailed(EMPTY_STATE, new SyncError(code, "why", { ...(circuit && { circuit }) }), timing()).schedule;
    assert.deepEqual(named("VAULT_UNAVAILABLE", "vault:x"), { kind: "due", at: NOW });
    assert.notDeepEqual(named("VAULT_UNAVAILABLE"), { kind: "due", at: NOW });
    assert.notDeepEqual(named("VAULT_FAILED", "vault:x"), { kind: "due", at: NOW });
    assert.deepEqual(named("LEASE_LOST"), { kind: "due", at: NOW });
  });

  it("a known failure is an attempt when it is another one than before", () => {
    const known = { knownUntil: NOW + 250_000 };
    const other = { ...EMPTY_STATE, attempts: 4, error: { code: "VAULT_FAILED" as const, message: "x", since: 1 } };
    const { state } = settleFailed(other, error("VAULT_DENIED"), timing(), known);
    assert.deepEqual([state.attempts, state.error?.since], [1, NOW]);
  });

  it("remembers which Vault denied it, through failures that say nothing of it, and no longer", () => {
    const denied = settleFailed(EMPTY_STATE, error("VAULT_DENIED"), timing(), { denied: "main" }).state;
    assert.deepEqual(denied.awaits, ["denied:main"]);
    const outage = new SyncError("VAULT_UNAVAILABLE", "silent", { circuit: "vault:x" });
    const silent = settleFailed(denied, outage, timing());
    assert.deepEqual(silent.state.awaits, ["denied:main"]);
    assert.equal(settleFailed(EMPTY_STATE, outage, timing()).state.awaits, undefined);
    assert.equal(settleFailed(denied, error("SECRET_REFUSED"), timing()).state.awaits, undefined);
    const other = settleFailed(denied, error("VAULT_DENIED"), timing(), { denied: "other" });
    assert.deepEqual(other.state.awaits, ["denied:other"]);
  });

  it("lease-table 31: verifies once more soon after a path was first found taken", () => {
    const taken = "push:main:kv/db" as WaitKey;
    const first = settleFailed(EMPTY_STATE, error("PATH_TAKEN"), timing(), { taken });
    assert.deepEqual([first.schedule, first.state.awaits], [{ kind: "due", at: NOW + 2_000 }, [taken]]);
    const next = settleFailed(first.state, error("PATH_TAKEN"), timing(), { taken });
    assert.ok(next.schedule.kind === "parked" || (next.schedule.kind === "due" && next.schedule.at > NOW + 2_000));
  });
});
