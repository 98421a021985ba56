import { type EpochMs, type Random, SECOND_MS } from "../clock.ts";
import { OUTAGE_CODES, type SyncError } from "../errors.ts";
import { type Cause, saysNothing } from "../failures/causes.ts";
import type { Wake } from "../kinds/kind.ts";
import type { WaitKey } from "../ports/refs.ts";
import type { Row, RowState } from "../ports/rows.ts";
import type { Schedule, Settlement } from "../ports/store.ts";
import { backOff } from "../schedule/back-off.ts";
import { nextSlot, periodFor, phaseOf } from "../schedule/wheel.ts";
import { landingAfter, nextDuty } from "./next-duty.ts";

export interface Timing {
  readonly now: EpochMs;
  readonly random: Random;
  /** Until when ticks had dispatched at this settle; undefined before the first tick. */
  readonly dispatchedUntil: EpochMs | undefined;
}

/** Puts the row back on the wheel; a row without a period waits for its time or an event. */
export function settleSynced(row: Row, state: RowState, next: Wake, timing: Timing): Settlement {
  const { error: _error, nextAt: _nextAt, awaits, ...rest } = state;
  const clean: RowState = {
    ...rest,
    ...awaitsOf({ awaits }),
    attempts: 0,
    syncedAt: timing.now,
    settledAt: timing.now,
  };
  const rolloutAt = state.rollout?.at;
  const dutyAt = nextDuty(state, timing.now);
  if (next === "event" || "at" in next) {
    const nextAt = next === "event" ? undefined : next.at;
    const { dueAt: at } = earliest(nextAt, rolloutAt, dutyAt);
    const schedule: Schedule = at === undefined ? { kind: "parked" } : { kind: "due", at };
    return { state: nextAt === undefined ? clean : { ...clean, nextAt }, schedule, now: timing.now };
  }
  const slot = { period: periodFor(next.everyMs), phase: 0 };
  const onWheel = { ...slot, phase: phaseOf(row.declared.group, slot.period) };
  const wasThere = row.wheel?.period === onWheel.period && row.wheel.phase === onWheel.phase;
  // Ticks before this did not dispatch the row's next slots, so those go to the due index (lease-table 14).
  const bridgeUntil = wasThere ? row.state.bridgeUntil : timing.dispatchedUntil;
  const at = nextSlot(onWheel, timing.now);
  const isBridged = bridgeUntil !== undefined && at <= bridgeUntil;
  const { bridgeUntil: _bridge, ...unbridged } = clean;
  return {
    state: isBridged ? { ...unbridged, bridgeUntil } : unbridged,
    schedule: { kind: "wheel", slot: onWheel, ...earliest(isBridged ? at : undefined, rolloutAt, dutyAt) },
    now: timing.now,
  };
}

/** Owed restarts have their own time, besides the wheel's slots. */
function earliest(...times: readonly (EpochMs | undefined)[]): { readonly dueAt?: EpochMs } {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? {} : { dueAt: Math.min(...known) };
}

/** What is known of a failure besides its code. */
export interface FailureContext {
  /** What it waits for. */
  readonly cause?: Cause | undefined;
  /** The longest pause before the next run, in ms. */
  readonly longestMs?: number;
  /** Another sync retries for all until then: this is no attempt of its own, and its next run is at this time. */
  readonly knownUntil?: EpochMs | undefined;
  /** The Secret that it could not get: `<cluster>/<namespace>/<name>`. */
  readonly refused?: string | undefined;
  /** The path that another row pushes to. */
  readonly taken?: WaitKey | undefined;
  /** The Vault that denied the login or the request. */
  readonly denied?: string | undefined;
}

/** Waits for circuits stay after any run; a new cause replaces the previous one. */
function awaitsOf(
  { awaits = [] }: { readonly awaits?: RowState["awaits"] },
  { cause, refused, taken, denied }: FailureContext = {},
): Pick<RowState, "awaits"> {
  const all: WaitKey[] = awaits.filter((key) => key.startsWith("circuit:"));
  if (cause !== undefined) all.push(`cause:${cause}`);
  if (refused !== undefined) all.push(`destination:${refused}`);
  if (taken !== undefined) all.push(taken);
  if (denied !== undefined) all.push(`denied:${denied}`);
  return all.length === 0 ? {} : { awaits: all };
}

/** When do we retry? As the code's disposition says. A failed row is never on the wheel (lease-table 10). */
export function settleFailed(
  state: RowState,
  error: SyncError,
  timing: Timing,
  context: FailureContext = {},
): Settlement {
  const same = state.error?.code === error.code ? state.error : undefined;
  const before = same === undefined ? 0 : state.attempts;
  const attempts = context.knownUntil !== undefined && before > 0 ? before : before + 1;
  const planned = scheduleAfter(error, attempts, timing, context);
  const verified = isNewlyRefused(state, context) ? atLatest(planned, timing.now + VERIFY_AGAIN_MS) : planned;
  const rolloutAt = state.rollout?.at;
  // A restart that was tried and failed in this run has its next time, too, or waits for the next run.
  const schedule = rolloutAt !== undefined && rolloutAt > timing.now ? atLatest(verified, rolloutAt) : verified;
  const cause = saysNothing(error.code) ? state.error?.cause : context.cause;
  const { awaits, nextAt: _nextAt, ...rest } = state;
  const dutyAt = nextDuty(landingAfter(state, timing.now), timing.now);
  const failed: RowState = {
    ...rest,
    ...awaitsOf({ awaits }, { ...context, cause, denied: deniedStill(state, error, context) }),
    attempts,
    error: {
      code: error.code,
      message: error.message,
      since: same?.since ?? timing.now,
      ...(cause === undefined ? {} : { cause }),
      ...(schedule.kind === "due" ? { nextAt: schedule.at } : {}),
    },
    settledAt: timing.now,
  };
  return {
    state: failed,
    // Former credentials and emptied paths have their times, whatever the sync waits for.
    schedule: dutyAt === undefined ? schedule : atLatest(schedule, dutyAt),
    ...(isOutage(error) ? { circuit: error.circuit } : {}),
    now: timing.now,
  };
}

/** What says nothing about an earlier denial leaves it. */
function deniedStill({ awaits = [] }: RowState, { code }: SyncError, { denied }: FailureContext): string | undefined {
  if (!saysNothing(code)) return denied;
  return awaits.find((key) => key.startsWith(DENIED))?.slice(DENIED.length);
}

const DENIED = "denied:";

/**
 * A Secret or a path may be released between a run's read and the write of the row that waits for it, so it is
 * verified again after this time.
 */
const VERIFY_AGAIN_MS = 2 * SECOND_MS;

function isNewlyRefused({ awaits = [] }: RowState, { refused, taken }: FailureContext): boolean {
  if (taken !== undefined) return !awaits.includes(taken);
  return refused !== undefined && !awaits.includes(`destination:${refused}`);
}

function isOutage(error: SyncError): error is SyncError & { readonly circuit: string } {
  return OUTAGE_CODES.has(error.code) && error.circuit !== undefined;
}

function atLatest(schedule: Schedule, at: EpochMs): Schedule {
  return { kind: "due", at: schedule.kind === "due" ? Math.min(schedule.at, at) : at };
}

function scheduleAfter(error: SyncError, attempts: number, timing: Timing, context: FailureContext): Schedule {
  // The row waits for its circuit and is always due, so that closing the circuit finds it (lease-table 16).
  if (isOutage(error)) return { kind: "due", at: timing.now };
  // No other worker has the row, because this settle succeeds: only the time ran out. The next run completes it.
  if (error.code === "LEASE_LOST") return { kind: "due", at: timing.now };
  const { longestMs, knownUntil } = context;
  if (knownUntil !== undefined) return { kind: "due", at: knownUntil };
  const { disposition, retryAfterMs } = error;
  const delay = backOff(
    {
      ...{ disposition, attempts },
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      ...(longestMs === undefined ? {} : { longestMs }),
    },
    timing.random,
  );
  return delay === undefined ? { kind: "parked" } : { kind: "due", at: timing.now + delay };
}
