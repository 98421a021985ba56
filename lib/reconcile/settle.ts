import { type EpochMs, type Random, SECOND_MS } from "../clock.ts";
import { OUTAGE_CODES, type SyncError } from "../errors.ts";
import { type Cause, saysNothing } from "../failures/causes.ts";
import type { Wake } from "../kinds/kind.ts";
import type { Row, RowState, WaitKey } from "../ports/rows.ts";
import type { Schedule, Settlement } from "../ports/store.ts";
import { backOff } from "../schedule/back-off.ts";
import { nextSlot, periodFor, phaseOf } from "../schedule/wheel.ts";

export interface Timing {
  readonly now: EpochMs;
  readonly random: Random;
  /** Up to when ticks had dispatched when this row was settled; undefined when no tick has run. */
  readonly dispatchedUntil: EpochMs | undefined;
}

/** The row goes back on the wheel, or waits for its time or an event when it is not periodic. */
export function settleSynced(row: Row, state: RowState, next: Wake, timing: Timing): Settlement {
  const { error: _error, awaits, ...rest } = state;
  const clean: RowState = {
    ...rest,
    ...awaitsOf({ awaits }),
    attempts: 0,
    syncedAt: timing.now,
    settledAt: timing.now,
  };
  const rolloutAt = state.rollout?.at;
  if (next === "event" || "at" in next) {
    const { dueAt: at } = earliest(next === "event" ? undefined : next.at, rolloutAt);
    const schedule: Schedule = at === undefined ? { kind: "parked" } : { kind: "due", at };
    return { state: clean, schedule, now: timing.now };
  }
  const slot = { period: periodFor(next.everyMs), phase: 0 };
  const onWheel = { ...slot, phase: phaseOf(row.declared.group, slot.period) };
  const wasThere = row.wheel?.period === onWheel.period && row.wheel.phase === onWheel.phase;
  // Ticks that ran before the row joined the wheel did not dispatch its next refresh slots: those stand in the due index (lease-table 14).
  const bridgeUntil = wasThere ? row.state.bridgeUntil : timing.dispatchedUntil;
  const at = nextSlot(onWheel, timing.now);
  const isBridged = bridgeUntil !== undefined && at <= bridgeUntil;
  const { bridgeUntil: _bridge, ...unbridged } = clean;
  return {
    state: isBridged ? { ...unbridged, bridgeUntil } : unbridged,
    schedule: { kind: "wheel", slot: onWheel, ...earliest(isBridged ? at : undefined, rolloutAt) },
    now: timing.now,
  };
}

/** Restarts that are owed have a time of their own, beside the refresh slots of the wheel. */
function earliest(...times: readonly (EpochMs | undefined)[]): { readonly dueAt?: EpochMs } {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? {} : { dueAt: Math.min(...known) };
}

/** What is known of a failure beside its code. */
export interface FailureContext {
  /** What it waits for. */
  readonly cause?: Cause | undefined;
  /** The longest pause before the next run, in ms. */
  readonly longestMs?: number;
  /** It is known from another sync, which asks for all that wait for the same: no attempt of this one, and its next run is then. */
  readonly knownUntil?: EpochMs | undefined;
  /** The Secret that was refused to it: `<cluster>/<namespace>/<name>`. */
  readonly refused?: string | undefined;
}

/** Circuits are awaited however a run ended; what a failure waits for replaces what the one before it did. */
function awaitsOf(
  { awaits = [] }: { readonly awaits?: RowState["awaits"] },
  cause?: Cause,
  refused?: string,
): Pick<RowState, "awaits"> {
  const all: WaitKey[] = awaits.filter((key) => key.startsWith("circuit:"));
  if (cause !== undefined) all.push(`cause:${cause}`);
  if (refused !== undefined) all.push(`destination:${refused}`);
  return all.length === 0 ? {} : { awaits: all };
}

/** When do we retry? The disposition of the code says it; a failed row is never on the wheel (lease-table 10). */
export function settleFailed(
  state: RowState,
  error: SyncError,
  timing: Timing,
  context: FailureContext = {},
): Settlement {
  const isSame = state.error?.code === error.code;
  const before = isSame ? state.attempts : 0;
  const attempts = context.knownUntil !== undefined && before > 0 ? before : before + 1;
  const planned = scheduleAfter(error, attempts, timing, context);
  const schedule = isNewlyRefused(state, context) ? atLatest(planned, timing.now + VERIFY_AGAIN_MS) : planned;
  const cause = saysNothing(error.code) ? state.error?.cause : context.cause;
  const { awaits, ...rest } = state;
  const failed: RowState = {
    ...rest,
    ...awaitsOf({ awaits }, cause, context.refused),
    attempts,
    error: {
      code: error.code,
      message: error.message,
      since: isSame ? (state.error?.since ?? timing.now) : timing.now,
      ...(cause === undefined ? {} : { cause }),
      ...(schedule.kind === "due" ? { nextAt: schedule.at } : {}),
    },
    settledAt: timing.now,
  };
  return { state: failed, schedule, now: timing.now };
}

/** A Secret may be released after a run saw it and before the row that waits for it can be found: so long after that it is verified again. */
const VERIFY_AGAIN_MS = 2 * SECOND_MS;

function isNewlyRefused({ awaits = [] }: RowState, { refused }: FailureContext): boolean {
  return refused !== undefined && !awaits.includes(`destination:${refused}`);
}

function atLatest(schedule: Schedule, at: EpochMs): Schedule {
  return { kind: "due", at: schedule.kind === "due" ? Math.min(schedule.at, at) : at };
}

function scheduleAfter(error: SyncError, attempts: number, timing: Timing, context: FailureContext): Schedule {
  // It waits under its circuit, due all the time: who closes the circuit finds it so (lease-table 16).
  if (OUTAGE_CODES.has(error.code)) return { kind: "due", at: timing.now };
  // Nobody has taken over, since this can be stored: there was no time left to say how it went. The next run does.
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
