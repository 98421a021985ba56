import type { Effect } from "../audit/effect.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import type { Inlet } from "../ports/inlet.ts";
import type { SeenPlace } from "../ports/look-up.ts";
import { parallel } from "../util/parallel.ts";
import { type Changed, changes } from "./changes.ts";
import type { InletDeps } from "./deps.ts";
import { secondLooks } from "./look-again.ts";
import { nudgePlace } from "./nudge-places.ts";
import { lookAtRows, type Sweeps, sweepsOf } from "./sweep.ts";
import { windowed } from "./windows.ts";

/** Events of one place within this time are one. */
const WINDOW_MS = 100;
/** Effects that one call collects before they are carried out. */
const MOST_EFFECTS = 20_000;
/** Lines that are parsed before others get their turn. */
const LINES_AT_ONCE = 500;
/** Revocations of one call that are compared with keyferry's own. */
const MOST_CHECKED = 200;
/** Pauses between nudges of rows that a Vault denied something: they double up to that of their own checks. */
const DENIED_GAP_MS = 10 * SECOND_MS;
const MOST_DENIED_GAP_MS = 4 * MINUTE_MS;

/**
 * The inlet of one Vault's audit lines. A nudge stands in its row before `take` resolves, and whatever is looked at
 * later has been sent by then.
 */
export function createInlet(deps: InletDeps, vault: string): Inlet {
  const pending = changes();
  const sweeps = sweepsOf(deps, vault);
  const carryOut = workOf(deps, vault, sweeps);
  const flush = windowed(
    () => carryOut(pending.take()),
    () => deps.sleep(WINDOW_MS),
  );
  return {
    vault,
    async take(lines, signal) {
      const counts = { effect: 0, none: 0, bad: 0 };
      let nudged = 0;
      let own: Told[] = [];
      // At once: what another caller's run takes and fails to carry out, only that caller would send again.
      const pass = async (): Promise<void> => {
        for (const { effect, at } of await withoutOwn(deps, own)) pending.add(effect, at);
        own = [];
        nudged += await flush();
      };
      for (let from = 0; from < lines.length; from += LINES_AT_ONCE) {
        if (from > 0) await deps.sleep(0, signal);
        signal.throwIfAborted();
        for (const line of lines.slice(from, from + LINES_AT_ONCE)) counts[collect(deps, own, line)] += 1;
        if (own.length >= MOST_EFFECTS) await pass();
      }
      if (own.length > 0) await pass();
      count(deps, vault, counts);
      return { lines: lines.length, bad: counts.bad, nudged };
    },
    async missed(reason, signal, of) {
      signal.throwIfAborted();
      if (of === undefined) await sweeps.request(reason);
      else await lookAtRows(deps, vault, of, reason);
    },
  };
}

/** An effect, and when Vault wrote its line. */
interface Told {
  readonly effect: Effect;
  readonly at: EpochMs;
  /** Of a revocation that may be keyferry's own. */
  readonly id?: string;
}

/** Leaves keyferry's own revocations out. Of very many at once it takes the last for those of others. */
async function withoutOwn({ isOwn }: InletDeps, told: readonly Told[]): Promise<readonly Told[]> {
  const ids = [...new Set(told.map(({ id }) => id))].filter((id) => id !== undefined).slice(0, MOST_CHECKED);
  if (isOwn === undefined || ids.length === 0) return told;
  const found = await parallel(ids, async (id) => ((await isOwn(id)) ? [id] : []));
  const own = new Set(found.flat());
  return told.filter(({ id }) => id === undefined || !own.has(id));
}

/** Adds what the line means. */
function collect({ readLine, clock }: InletDeps, own: Told[], line: string): LineOutcome {
  const read = readLine(line);
  if (read.kind !== "effects") return read.kind;
  const now = clock();
  const more = read.id === undefined ? {} : { id: read.id };
  for (const effect of read.effects) own.push({ effect, at: Math.min(now, read.at ?? now), ...more });
  return "effect";
}

type LineOutcome = "effect" | "none" | "bad";

function count({ metrics }: InletDeps, vault: string, counts: Readonly<Record<LineOutcome, number>>): void {
  for (const [outcome, lines] of Object.entries(counts))
    if (lines > 0) metrics.count("keyferry_event_lines_total", { vault, outcome }, lines);
}

/** Carries out what one window collected; returns how many rows were nudged. */
function workOf(deps: InletDeps, vault: string, sweeps: Sweeps): (changed: Changed) => Promise<number> {
  const looks = secondLooks(deps, vault);
  const leases = sweepsOf(deps, vault, { lease: true });
  const denied = deniedRows(deps, vault);
  return async ({ places, sweep, tokens }) => {
    let nudged = 0;
    let isWide = sweep === "all";
    const seen = await parallel(places, async (place): Promise<readonly SeenPlace[]> => {
      const done = await nudgePlace(deps, vault, place);
      nudged += done.nudged;
      if (!done.isWide) return [{ ...place, found: done.found }];
      isWide = true;
      return [];
    });
    if (nudged > 0) deps.metrics.count("keyferry_event_nudges_total", { vault }, nudged);
    await looks.send(seen.flat());
    if (isWide) await sweeps.request("event");
    else if (sweep === "leases") await leases.request("event");
    if (tokens !== undefined) {
      for (const mount of tokens === "all" ? [undefined] : tokens) deps.doubtTokens?.(vault, mount);
      await denied();
    }
    return nudged;
  };
}

/**
 * A change of rights concerns whoever was denied something: at once after a quiet time, and ever more rarely where
 * rights change all the time, such as where a program makes secret ids.
 */
function deniedRows({ queue, clock }: Pick<InletDeps, "queue" | "clock">, vault: string): () => Promise<void> {
  let last: { readonly at: EpochMs; readonly gapMs: number } = { at: 0, gapMs: DENIED_GAP_MS };
  return async () => {
    const now = clock();
    if (last.at > now) return;
    const isQuiet = now >= last.at + last.gapMs;
    const at = isQuiet ? now : last.at + last.gapMs;
    await queue.send([{ kind: "look-up", vault, look: { kind: "denied" }, at }]);
    last = { at, gapMs: isQuiet ? DENIED_GAP_MS : Math.min(2 * last.gapMs, MOST_DENIED_GAP_MS) };
  };
}
