import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { Due, LeaseStore, Log, Metrics, WheelLane, WorkQueue } from "../reconcile/ports.ts";
import { duePages } from "./due-pages.ts";
import { messagesFor } from "./messages.ts";
import { turnsAhead, turnsMissed, type Window } from "./turns.ts";

/** A crash repeats at most so much of the time ahead, in ms. */
const SLICE_MS = 15 * SECOND_MS;
/** Into how many slices a gap is cut. */
const SLICES_OF_GAP = 32;
/** A cursor further ahead than this, in ms, comes of a clock that was wrong. */
const CURSOR_AHEAD_MS = 5 * MINUTE_MS;
/** Messages that wait longer than this past their start, in ms, say that workers don't keep up. */
const BACKLOG_MS = 60 * SECOND_MS;
/** The due index is read from so far, in ms, before the cursor: back to what the last tick saw, and a little more when there is room. */
const DUE_BEHIND_MS = 2 * MINUTE_MS;
const DUE_SLACK_MS = 10 * SECOND_MS;
/** How often, in ms, the due index is read from the beginning. */
export const SWEEP_MS = 10 * MINUTE_MS;

/** What waits in the queue past its start: when the oldest of it was to start. */
export interface Backlog {
  readonly oldestAt?: EpochMs;
}

export interface TickDeps {
  readonly leases: Pick<LeaseStore, "handedUntil" | "moveCursor" | "periods" | "onWheel" | "due">;
  readonly queue: WorkQueue;
  readonly clock: Clock;
  /** How far ahead to hand out, in ms: 120 s, and less than 5 min. */
  readonly horizonMs: number;
  readonly backlog: (signal: AbortSignal) => Backlog | Promise<Backlog>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface TickResult {
  /** Keys sent from the due index. */
  readonly due: number;
  /** Turns of the refresh wheel sent. */
  readonly wheel: number;
  /** Turns of the renew wheel sent. */
  readonly renew: number;
  readonly messages: number;
  /** Up to when refreshes are handed out now; undefined before the first tick that hands out any. */
  readonly handedUntil: EpochMs | undefined;
  /** `held`: old messages wait. `raced`: another tick moved the cursor. `stopped`: the signal ended it. The rest is for the next tick. */
  readonly ended: "complete" | "held" | "raced" | "stopped";
}

/**
 * Sends the keys whose time has come or comes within the horizon (lease-table 13 and 14). Two at once, late, repeated or
 * missing ones are harmless. Throws when a message was not accepted, with the cursor before it.
 */
export async function tick(deps: TickDeps, signal: AbortSignal): Promise<TickResult> {
  const now = deps.clock();
  const until = now + deps.horizonMs;
  const [renewed, cursor] = [await saneCursor(deps, "renew", now), await saneCursor(deps, "refresh", now)];
  const sent = sender(deps, now);
  // Renewals first, whatever else waits: a Vault lease that is not renewed in time is lost (lease-table 29).
  await handOutWheel(deps, sent, { lane: "renew", cursor: renewed, now, until }, signal);
  const isHeld = await isBehind(deps, now, signal);
  await handOutDue(deps, sent, { after: dueFrom(deps, cursor, isHeld, now), until, now }, signal);
  const wheel = isHeld
    ? { ended: "held" as const, handedUntil: cursor }
    : await handOutWheel(deps, sent, { lane: "refresh", cursor, now, until }, signal);
  deps.log.debug("tick-finished", { ...sent.counts(), ...wheel });
  return { ...sent.counts(), ...wheel };
}

interface Span {
  readonly lane: WheelLane;
  readonly cursor: EpochMs | undefined;
  readonly now: EpochMs;
  readonly until: EpochMs;
}

/** The cursor; set back to now when the clock that moved it was wrong. */
async function saneCursor(
  { leases, log, metrics }: TickDeps,
  lane: WheelLane,
  now: EpochMs,
): Promise<EpochMs | undefined> {
  const cursor = await leases.handedUntil(lane);
  if (cursor === undefined || cursor <= now + CURSOR_AHEAD_MS) return cursor;
  metrics.count("keyferry_cursor_set_back_total", {});
  log.error("tick-cursor-set-back", { lane, cursor, now, aheadMs: cursor - now });
  // Another tick that was first has set it back as well, or moved on from there.
  return (await leases.moveCursor(lane, cursor, now)) ? now : leases.handedUntil(lane);
}

type Sender = ReturnType<typeof sender>;

function sender({ queue, metrics }: TickDeps, now: EpochMs) {
  const counts = { due: 0, wheel: 0, renew: 0, messages: 0 };
  return {
    /** Resolves when all of it was accepted. */
    send: async (work: readonly Due[], from: "due" | "wheel" | "renew"): Promise<void> => {
      if (work.length === 0) return;
      const messages = messagesFor(work, now);
      await queue.send(messages);
      counts[from] += work.length;
      counts.messages += messages.length;
      metrics.count("keyferry_keys_handed_out_total", { from }, work.length);
    },
    counts: () => ({ ...counts }),
  };
}

/**
 * From when on the due index is read: from its beginning when ten minutes turn since the cursor, which a missed tick
 * can't skip. While old messages wait they are probably these same keys, so that only new ones are read.
 */
function dueFrom({ horizonMs }: TickDeps, cursor: EpochMs | undefined, isHeld: boolean, now: EpochMs): EpochMs {
  const behind = Math.min(DUE_BEHIND_MS, horizonMs + DUE_SLACK_MS);
  if (isHeld) return now - behind;
  if (cursor === undefined || Math.floor(cursor / SWEEP_MS) < Math.floor((now + horizonMs) / SWEEP_MS)) return 0;
  return cursor - behind;
}

async function handOutDue(
  { leases }: TickDeps,
  sent: Sender,
  range: Parameters<typeof duePages>[1],
  signal: AbortSignal,
): Promise<void> {
  for await (const page of duePages(leases, range)) {
    if (signal.aborted) return;
    await sent.send(page, "due");
  }
}

async function isBehind({ backlog, log, metrics }: TickDeps, now: EpochMs, signal: AbortSignal): Promise<boolean> {
  const { oldestAt } = await backlog(signal);
  if (oldestAt === undefined || now - oldestAt <= BACKLOG_MS) return false;
  metrics.count("keyferry_ticks_held_back_total", {});
  log.warn("tick-held-back", { oldestMs: now - oldestAt });
  return true;
}

/** The turns of (cursor, until], slice by slice, with the cursor after each. */
async function handOutWheel(
  { leases, log }: TickDeps,
  sent: Sender,
  { lane, cursor, now, until }: Span,
  signal: AbortSignal,
): Promise<Pick<TickResult, "handedUntil" | "ended">> {
  const gap = { afterMs: cursor ?? now, untilMs: now };
  if (gap.afterMs < now) log.info("tick-catches-up", { lane, gapMs: now - gap.afterMs });
  const wheel = { lane, leases };
  const periods = await leases.periods(lane);
  let handedUntil = cursor;
  for (const window of windows(gap, until)) {
    if (signal.aborted) return { ended: "stopped", handedUntil };
    const turns = window.untilMs <= now ? turnsMissed(wheel, periods, window, gap) : turnsAhead(wheel, periods, window);
    await sent.send(await turns, lane === "renew" ? "renew" : "wheel");
    if (!(await leases.moveCursor(lane, handedUntil, window.untilMs))) return { ended: "raced", handedUntil };
    handedUntil = window.untilMs;
  }
  return { ended: "complete", handedUntil };
}

/** Slices of the gap, then of the time ahead: none holds both. */
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
