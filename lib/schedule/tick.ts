import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { KeysMessage, WorkQueue } from "../ports/queue.ts";
import type { WheelLane } from "../ports/rows.ts";
import type { Due, LeaseStore } from "../ports/store.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { duePages } from "./due-pages.ts";
import { messagesFor } from "./messages.ts";
import { addOverdue, type Overdue } from "./overdue.ts";
import { slotsAhead, slotsMissed, type Window } from "./refresh-slots.ts";

/** A crash repeats at most this much of the future dispatches, in ms. */
const SLICE_MS = 15 * SECOND_MS;
/** The number of slices of a gap. */
const SLICES_OF_GAP = 32;
/** A dispatchedUntil further ahead than this, in ms, comes from a wrong clock. */
const DISPATCHED_AHEAD_MS = 5 * MINUTE_MS;
/** Workers don't keep up when messages wait longer than this, in ms, after their start time. */
const BACKLOG_MS = 60 * SECOND_MS;
/** How far before dispatchedUntil the due index is read, in ms: what the last tick saw, plus a margin. */
const DUE_BEHIND_MS = 2 * MINUTE_MS;
const DUE_SLACK_MS = 10 * SECOND_MS;
/** How often the due index is read from the beginning, in ms. */
export const SWEEP_MS = 10 * MINUTE_MS;

/** Messages in the queue after their start time, and the oldest such time. */
export interface Backlog {
  readonly oldestAt?: EpochMs;
}

export interface TickDeps {
  readonly leases: Pick<LeaseStore, "dispatchedUntil" | "moveDispatched" | "periods" | "onWheel" | "due">;
  readonly queue: WorkQueue<KeysMessage>;
  readonly clock: Clock;
  /** How far ahead to dispatch, in ms: 120 s, and less than 5 min. */
  readonly horizonMs: number;
  readonly backlog: (signal: AbortSignal) => Backlog | Promise<Backlog>;
  /** Called each time that the due index is read from its beginning: what is overdue, by cluster. */
  readonly onOverdue?: (overdue: ReadonlyMap<string, Overdue>) => void;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface TickResult {
  /** Keys sent from the due index. */
  readonly due: number;
  /** Slots of the refresh wheel sent. */
  readonly wheel: number;
  /** Slots of the renew wheel sent. */
  readonly renew: number;
  readonly messages: number;
  /** Until when refreshes are dispatched; undefined before the first tick that dispatches any. */
  readonly dispatchedUntil: EpochMs | undefined;
  /**
   * Of the refreshes. `held-back`: old messages wait. `raced`: another tick moved dispatchedUntil. `stopped`: the signal
   * aborted. The next tick does the rest.
   */
  readonly outcome: "complete" | "held-back" | "raced" | "stopped";
}

/**
 * Sends the keys that are due now or within the horizon (lease-table 13 and 14). Concurrent, late, repeated or missing
 * ticks are harmless. Throws when a message is not accepted, and then leaves dispatchedUntil before it.
 */
export async function tick(deps: TickDeps, signal: AbortSignal): Promise<TickResult> {
  const now = deps.clock();
  const until = now + deps.horizonMs;
  const dispatched = await saneDispatched(deps, "refresh", now);
  const sent = sender(deps, now);
  // Renewals come first: a Vault lease that is not renewed in time is lost (lease-table 29).
  await dispatchRenewals(deps, sent, { now, until }, signal);
  const isHeldBack = await isBehind(deps, now, signal);
  const after = dueFrom(deps, dispatched, isHeldBack, now);
  const dueKeys = () => dispatchDue(deps, sent, { after, until, now }, signal);
  // All that is due may be more than a tick has time for, and would then come before the refreshes of every tick.
  const isSweep = after === 0;
  if (!isSweep) await dueKeys();
  const periods = isHeldBack ? [] : await deps.leases.periods("refresh");
  const wheel = isHeldBack
    ? { outcome: "held-back" as const, dispatchedUntil: dispatched }
    : await dispatchWheel(deps, sent, { lane: "refresh", periods, dispatched, now, until }, signal);
  if (isSweep) await dueKeys();
  deps.log.debug("tick-finished", { ...sent.counts(), ...wheel });
  return { ...sent.counts(), ...wheel };
}

/** Writes nothing when nothing has to be renewed. */
async function dispatchRenewals(
  deps: TickDeps,
  sent: Sender,
  { now, until }: Pick<Span, "now" | "until">,
  signal: AbortSignal,
): Promise<void> {
  const periods = await deps.leases.periods("renew");
  if (periods.length === 0) return;
  const dispatched = await saneDispatched(deps, "renew", now);
  await dispatchWheel(deps, sent, { lane: "renew", periods, dispatched, now, until }, signal);
}

interface Span {
  readonly lane: WheelLane;
  readonly periods: readonly number[];
  readonly dispatched: EpochMs | undefined;
  readonly now: EpochMs;
  readonly until: EpochMs;
}

/** dispatchedUntil; reset to now when it came from a wrong clock. */
async function saneDispatched(
  { leases, log, metrics }: TickDeps,
  lane: WheelLane,
  now: EpochMs,
): Promise<EpochMs | undefined> {
  const dispatched = await leases.dispatchedUntil(lane);
  if (dispatched === undefined || dispatched <= now + DISPATCHED_AHEAD_MS) return dispatched;
  metrics.count("keyferry_dispatch_set_back_total", {});
  log.error("tick-dispatch-set-back", { lane, dispatched, now, aheadMs: dispatched - now });
  // Another tick has already reset it, or moved on from there.
  return (await leases.moveDispatched(lane, dispatched, now)) ? now : leases.dispatchedUntil(lane);
}

type Sender = ReturnType<typeof sender>;

function sender({ queue, metrics }: TickDeps, now: EpochMs) {
  const counts = { due: 0, wheel: 0, renew: 0, messages: 0 };
  return {
    /** Resolves when all keys are accepted. */
    send: async (work: readonly Due[], from: "due" | "wheel" | "renew"): Promise<void> => {
      if (work.length === 0) return;
      const messages = messagesFor(work, now);
      await queue.send(messages);
      counts[from] += work.length;
      counts.messages += messages.length;
      metrics.count("keyferry_keys_dispatched_total", { from }, work.length);
    },
    counts: () => ({ ...counts }),
  };
}

/**
 * Where to start in the due index: at its beginning if ten minutes have passed since dispatchedUntil, also after missed
 * ticks. While old messages wait they probably hold the same keys, so only newer rows are read. After a clock stepped
 * back, dispatchedUntil is far ahead, and rows that become due before it must still be found.
 */
function dueFrom({ horizonMs }: TickDeps, dispatched: EpochMs | undefined, isHeldBack: boolean, now: EpochMs): EpochMs {
  const behind = Math.min(DUE_BEHIND_MS, horizonMs + DUE_SLACK_MS);
  const until = now + horizonMs;
  if (isHeldBack) return now - behind;
  if (dispatched === undefined || Math.floor(dispatched / SWEEP_MS) < Math.floor(until / SWEEP_MS)) return 0;
  return Math.min(dispatched, until) - behind;
}

async function dispatchDue(
  { leases, onOverdue }: TickDeps,
  sent: Sender,
  range: Parameters<typeof duePages>[1],
  signal: AbortSignal,
): Promise<void> {
  const overdue = new Map<string, Overdue>();
  for await (const page of duePages(leases, range)) {
    if (signal.aborted) return;
    await sent.send(page, "due");
    addOverdue(overdue, page, range.now);
  }
  if (range.after === 0) onOverdue?.(overdue);
}

async function isBehind({ backlog, log, metrics }: TickDeps, now: EpochMs, signal: AbortSignal): Promise<boolean> {
  const { oldestAt } = await backlog(signal);
  if (oldestAt === undefined || now - oldestAt <= BACKLOG_MS) return false;
  metrics.count("keyferry_ticks_held_back_total", {});
  log.warn("tick-held-back", { oldestMs: now - oldestAt });
  return true;
}

/** Dispatches the refresh slots of (cursor, until] by slices, and moves dispatchedUntil after each. */
async function dispatchWheel(
  { leases, log }: TickDeps,
  sent: Sender,
  { lane, periods, dispatched, now, until }: Span,
  signal: AbortSignal,
): Promise<Pick<TickResult, "dispatchedUntil" | "outcome">> {
  const gap = { afterMs: dispatched ?? now, untilMs: now };
  if (gap.afterMs < now) log.info("tick-catches-up", { lane, gapMs: now - gap.afterMs });
  const wheel = { lane, leases };
  let dispatchedUntil = dispatched;
  for (const window of windows(gap, until)) {
    if (signal.aborted) return { outcome: "stopped", dispatchedUntil };
    const slots = window.untilMs <= now ? slotsMissed(wheel, periods, window, gap) : slotsAhead(wheel, periods, window);
    await sent.send(await slots, lane === "renew" ? "renew" : "wheel");
    if (!(await leases.moveDispatched(lane, dispatchedUntil, window.untilMs)))
      return { outcome: "raced", dispatchedUntil };
    dispatchedUntil = window.untilMs;
  }
  return { outcome: "complete", dispatchedUntil };
}

/** Slices of the gap, then of the time ahead; none spans both. */
function windows(gap: Window, until: EpochMs): readonly Window[] {
  const missed = Math.max(SLICE_MS, Math.ceil((gap.untilMs - gap.afterMs) / SLICES_OF_GAP));
  return [...cut(gap, missed), ...cut({ afterMs: Math.max(gap.afterMs, gap.untilMs), untilMs: until }, SLICE_MS)];
}

function cut({ afterMs, untilMs }: Window, lengthMs: number): readonly Window[] {
  const parts: Window[] = [];
  for (let from = afterMs; from < untilMs; from += lengthMs) {
    parts.push({ afterMs: from, untilMs: Math.min(from + lengthMs, untilMs) });
  }
  return parts;
}
