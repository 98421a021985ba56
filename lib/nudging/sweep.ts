import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { rowsWithIssues } from "../issues/rows-with-issues.ts";
import type { SyncKey } from "../keys.ts";
import type { Look, SweepReason } from "../ports/look-up.ts";
import type { LookUpMessage } from "../ports/queue.ts";
import type { Row } from "../ports/rows.ts";
import type { Due } from "../ports/store.ts";
import { MAX_KEYS, sendDue } from "../schedule/messages.ts";
import { phaseOf } from "../schedule/wheel.ts";
import type { NudgingDeps } from "./deps.ts";

/** A Vault's rows are swept at most once in this time. */
const GAP_MS = MINUTE_MS;
/**
 * The gap of sweeps of leases doubles up to this while they go on, and begins anew when they paused for as long: some
 * programs end tokens all day, and a look at a row with a lease costs a run of it.
 */
const MOST_LEASE_GAP_MS = 10 * MINUTE_MS;
/** A start that is later by more than this comes from a wrong clock. */
const CLOCKS_MS = MINUTE_MS;
/** Over how long the rows of a sweep are spread. */
const AFTER_EVENT_MS = MINUTE_MS;
const AFTER_MISSED_MS = 5 * MINUTE_MS;
/** Pages of places for one message, so that each is done soon. */
const PAGES = 5;
/** Rows that are read at once. */
const BATCH = 100;

/**
 * Asks for sweeps of one Vault's rows: all processes together plan one a minute at most, and of leases alone ever fewer
 * while they go on. Each that sees an event before the planned one starts sends a message for its time, since that of
 * another may have been lost with it, and each message is carried out, since a repeated one may be of a process that
 * died. Several at once nudge the same rows.
 */
export interface Sweeps {
  request(reason: SweepReason): Promise<void>;
}

/** `lease`: of rows with Vault leases alone, which costs the others nothing. */
export type SweptRows = Pick<Extract<Look, { readonly kind: "sweep" }>, "lease">;

export function sweepsOf(
  { leases, queue, clock, metrics, log }: NudgingDeps,
  vault: string,
  rows: SweptRows = {},
): Sweeps {
  const swept = sweptName(vault, rows);
  const mostMs = mostGapOf(rows);
  /** Of this process: another one doubles its own. */
  let gapMs = GAP_MS;
  /** The start of the sweep whose message this process has sent. */
  let sentFor: EpochMs | undefined;
  const send = async (reason: SweepReason, at: EpochMs): Promise<void> => {
    if (sentFor === at) return;
    await queue.send([{ kind: "look-up", vault, look: { kind: "sweep", reason, ...rows }, at }]);
    sentFor = at;
    const why = rows.lease ? "lease" : reason;
    metrics.count("keyferry_event_sweeps_total", { vault, reason: why });
    log.info("vault-sweep-requested", { vault, reason: why, at: new Date(at).toISOString() });
  };
  return {
    async request(reason) {
      for (;;) {
        const now = clock();
        const planned = await leases.sweepAt(swept);
        // One that has not started sees this event, too. Its message may have been lost with its process.
        const isAhead = planned !== undefined && planned > now;
        if (isAhead && planned <= now + mostMs + CLOCKS_MS) return send(reason, planned);
        const next = startAfter(isAhead ? undefined : planned, { now, gapMs, mostMs });
        if (!(await leases.moveSweep(swept, planned, next.at))) continue;
        gapMs = next.gapMs;
        return send(reason, next.at);
      }
    },
  };
}

function sweptName(vault: string, { lease }: SweptRows): string {
  return lease ? `leases ${vault}` : vault;
}

interface Gaps {
  readonly now: EpochMs;
  readonly gapMs: number;
  readonly mostMs: number;
}

/** When the next one starts after this one, and the gap to the one after that. */
function startAfter(last: EpochMs | undefined, { now, gapMs, mostMs }: Gaps): Pick<Gaps, "gapMs"> & { at: EpochMs } {
  if (last === undefined || now >= last + mostMs) return { at: now, gapMs: GAP_MS };
  return { at: Math.max(now, last + gapMs), gapMs: Math.min(2 * gapMs, mostMs) };
}

function mostGapOf({ lease }: SweptRows): number {
  return lease ? MOST_LEASE_GAP_MS : GAP_MS;
}

/** A sweep lasts as long, and its first part may wait for as long. */
const RESUMED_MS = AFTER_MISSED_MS + GAP_MS;

/**
 * For an engine whose queue is in memory: begins those sweeps again that its last process may not have finished. They
 * count from its last tick, so that it does not matter how long keyferry was stopped.
 */
export async function resumeSweeps(
  { leases, queue, clock }: Pick<NudgingDeps, "leases" | "queue" | "clock">,
  vaults: readonly string[],
): Promise<void> {
  const now = clock();
  const ticked = await Promise.all((["renew", "refresh"] as const).map((lane) => leases.dispatchedUntil(lane)));
  const aliveAt = Math.min(now, Math.max(...ticked.map((at) => at ?? Number.NEGATIVE_INFINITY)));
  const kinds: readonly SweptRows[] = [{}, { lease: true }];
  for (const [vault, rows] of vaults.flatMap((name) => kinds.map((kind) => [name, kind] as const))) {
    const planned = await leases.sweepAt(sweptName(vault, rows));
    if (planned === undefined || aliveAt - planned > RESUMED_MS) continue;
    const at = Math.min(Math.max(planned, now), now + mostGapOf(rows));
    // It begins anew, so that a process that does not live long enough either leaves it to the next one.
    if (!(await leases.moveSweep(sweptName(vault, rows), planned, at))) continue;
    await queue.send([{ kind: "look-up", vault, look: { kind: "sweep", reason: "event", ...rows }, at }]);
  }
}

/** One part of a sweep: sends rows on the refresh wheel to be read, and all others to be nudged. */
export async function sweep(
  deps: NudgingDeps,
  message: LookUpMessage,
  { reason, after, lease }: Extract<Look, { readonly kind: "sweep" }>,
): Promise<void> {
  const { vault, at } = message;
  if (lease) return sweepLeases(deps, vault, at);
  const overMs = await spreadOf(deps, reason);
  let from = after;
  for (let page = 0; page < PAGES; page++) {
    const { items, next } = await deps.leases.byPlace(vault, { prefix: "" }, from === undefined ? {} : { after: from });
    await sendOut(deps, vault, [...new Set(items.map(({ key }) => key))], { at, overMs });
    if (next === undefined) return;
    from = next;
  }
  const rest: Look = { kind: "sweep", reason, ...(from === undefined ? {} : { after: from }) };
  await deps.queue.send([{ ...message, look: rest }]);
}

/** The same for some rows of the Vault, which one process alone asks for. */
export async function lookAtRows(
  deps: NudgingDeps,
  vault: string,
  keys: readonly SyncKey[],
  reason: SweepReason,
): Promise<void> {
  await sendOut(deps, vault, keys, { at: deps.clock(), overMs: await spreadOf(deps, reason) });
}

/** Found by what they have in Vault, so that no other row is read. */
async function sweepLeases(deps: NudgingDeps, vault: string, at: EpochMs): Promise<void> {
  const rows: Row[] = [];
  for await (const row of rowsWithIssues(deps.leases)) if (row.state.place?.vault === vault) rows.push(row);
  await deps.queue.send(rowMessages(vault, rows, timesFrom({ at, overMs: AFTER_EVENT_MS })));
}

interface Spread {
  readonly at: EpochMs;
  readonly overMs: number;
}

/** Those that share a read come at the same time. */
function timesFrom({ at, overMs }: Spread): (row: Row) => EpochMs {
  return ({ declared }) => at + phaseOf(declared.group, overMs / SECOND_MS) * SECOND_MS;
}

async function spreadOf({ leases }: NudgingDeps, reason: SweepReason): Promise<number> {
  if (reason === "event") return AFTER_EVENT_MS;
  const shortest = Math.min(...(await leases.periods("refresh"))) * SECOND_MS;
  return Math.min(AFTER_MISSED_MS, shortest);
}

async function sendOut(deps: NudgingDeps, vault: string, keys: readonly SyncKey[], spread: Spread): Promise<void> {
  const timeOf = timesFrom(spread);
  for (let from = 0; from < keys.length; from += BATCH) {
    const rows = [...(await deps.leases.read(keys.slice(from, from + BATCH), "eventual")).values()];
    const read = rows.filter(isOnlyRead).map((row): Due => {
      return { key: row.key, group: row.declared.group, lane: "refresh", at: timeOf(row) };
    });
    await sendDue(deps.queue, read, deps.clock());
    const nudged = rows.filter((row) => !isOnlyRead(row));
    await deps.queue.send(rowMessages(vault, nudged, timeOf));
  }
}

/** It is in step, and on the wheel: a read tells whether anything changed, and nothing is written if not. */
function isOnlyRead({ wheel, state, leaseUntil }: Row): boolean {
  return wheel !== undefined && state.error === undefined && !hasIssues(state) && leaseUntil === undefined;
}

function hasIssues({ issues = [] }: Row["state"]): boolean {
  return issues.length > 0;
}

function rowMessages(vault: string, rows: readonly Row[], timeOf: (row: Row) => EpochMs): readonly LookUpMessage[] {
  const groups = Map.groupBy(rows, (row) => `${hasIssues(row.state)} ${timeOf(row)}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const lease = hasIssues(first.state) ? ({ lease: true } as const) : {};
    const keys = group.map(({ key }) => key);
    return Array.from({ length: Math.ceil(keys.length / MAX_KEYS) }, (_, n): LookUpMessage => {
      const some = keys.slice(n * MAX_KEYS, (n + 1) * MAX_KEYS);
      return { kind: "look-up", vault, look: { kind: "rows", keys: some, ...lease }, at: timeOf(first) };
    });
  });
}
