import { type EpochMs, MINUTE_MS, SECOND_MS } from "../lib/clock.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import { dataDirMarkedAt, isDataDirLocked } from "../lib/store/sqlite/sqlite-store.ts";
import type { TableFlags } from "./lease-table.ts";
import { humanAge } from "./status-view.ts";

/** Whether an engine works on a lease table: the table is current only then. */
export interface EngineView {
  readonly state: "working" | "stopped";
  /** When a stopped engine was last seen at work. Missing: never. */
  readonly since?: string;
  /** Of a stack whose ticks go on, but whose watch passes over all clusters are overdue: since when. */
  readonly noWatchPassSince?: string;
}

/** Whether what the lease table says is old. */
export function isEngineWrong({ state, noWatchPassSince }: EngineView): boolean {
  return state === "stopped" || noWatchPassSince !== undefined;
}

/** How far ahead an engine's ticks dispatch and set dispatchedUntil, in ms. */
const AHEAD_MS = { local: 2 * SECOND_MS, stack: 2 * MINUTE_MS };

/** A stack ticks and starts watch passes each minute; it counts as stopped after this delay, in ms. */
const LATE_MS = 5 * MINUTE_MS;

/** A time further ahead than this, in ms, comes from a wrong clock. */
const BELIEVED_AHEAD_MS = 10 * MINUTE_MS;

export async function engineView(
  flags: TableFlags,
  leases: Pick<LeaseStore, "dispatchedUntil" | "clusters">,
  now: EpochMs,
): Promise<EngineView> {
  const dispatchedUntil = await leases.dispatchedUntil("refresh");
  if (flags.stack !== undefined) {
    const passes = (await leases.clusters()).map(({ dueAt }) => dueAt);
    return viewOfStack(dispatchedUntil === undefined ? undefined : dispatchedUntil - AHEAD_MS.stack, passes, now);
  }
  if (isDataDirLocked(flags.dataDir)) return { state: "working" };
  // A killed engine recorded no stop: its last tick counts instead.
  const tickedAt = dispatchedUntil === undefined ? undefined : dispatchedUntil - AHEAD_MS.local;
  return stopped(latest([tickedAt, dataDirMarkedAt(flags.dataDir)], now));
}

/** `passes`: when each cluster is due for a watch pass. */
function viewOfStack(tickedAt: EpochMs | undefined, passes: readonly EpochMs[], now: EpochMs): EngineView {
  // While old messages wait, ticks do not move dispatchedUntil, but watch passes continue.
  const at = latest([tickedAt, ...passes], now);
  if (at === undefined || now - at >= LATE_MS) return stopped(at);
  // Each pass, also one that fails, makes its cluster due later: all of them are overdue only if none ran.
  const dueAt = passes.length === 0 ? now : Math.max(...passes);
  if (now - dueAt < LATE_MS) return { state: "working" };
  return { state: "working", noWatchPassSince: new Date(dueAt).toISOString() };
}

function latest(times: readonly (EpochMs | undefined)[], now: EpochMs): EpochMs | undefined {
  const known = times.filter((time) => time !== undefined && time <= now + BELIEVED_AHEAD_MS) as EpochMs[];
  return known.length === 0 ? undefined : Math.min(now, Math.max(...known));
}

function stopped(at: EpochMs | undefined): EngineView {
  return { state: "stopped", ...(at === undefined ? {} : { since: new Date(at).toISOString() }) };
}

/** The first lines of an output; none while an engine works. */
export function engineLines(view: EngineView, flags: TableFlags, now: EpochMs): readonly string[] {
  const { state, since, noWatchPassSince } = view;
  if (noWatchPassSince !== undefined) {
    const age = humanAge(now - Date.parse(noWatchPassSince));
    return [
      `No cluster of stack ${flags.stack} had a watch pass for ${age} (${noWatchPassSince}), so keyferry does not see what changes there: check the trigger, the concurrency and the log of its discover function.`,
    ];
  }
  if (state === "working") return [];
  const place = flags.stack === undefined ? flags.dataDir : `stack ${flags.stack}`;
  const remedy =
    flags.stack === undefined
      ? "`keyferry run` continues from here"
      : "check the alarms of the stack and the log of its tick function";
  const seen =
    since === undefined
      ? "none was ever active"
      : `the last one stopped ${humanAge(now - Date.parse(since))} ago (${since})`;
  return [`No keyferry works with ${place}: ${seen}. What follows is as old; ${remedy}.`];
}
