import { type Clock, type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import type { Fleet } from "../fleet/fleet.ts";
import type { Hub } from "../fleet/hub-schema.ts";
import type { Log } from "../ports/telemetry.ts";
import { tasks } from "../util/tasks.ts";

const POLL_MS = SECOND_MS;
const AFTER_CRASH_MS = 30 * SECOND_MS;
/** Twice the longest pause between passes: what is further ahead is by a clock that was ahead. */
const TOO_FAR_MS = 10 * MINUTE_MS;

export interface FollowOptions {
  /** fleet.yaml's fleet now. */
  readonly own: () => Fleet;
  /** A pass over this hub; resolves with the time of the next one. */
  readonly pass: (hub: Hub, signal: AbortSignal) => Promise<EpochMs>;
  /** Whether a person asked for passes now, since the last call. */
  readonly isAsked: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** Passes over each hub of fleet.yaml until the signal, concurrently: a silent hub delays no other. */
export async function followHubs(
  { own, pass, isAsked, clock, log, sleep }: FollowOptions,
  stop: AbortSignal,
): Promise<void> {
  const again = new Map<string, EpochMs>();
  let questions = 0;
  const passes = tasks();
  const once = async (hub: Hub): Promise<void> => {
    again.set(hub.name, Number.POSITIVE_INFINITY);
    const before = questions;
    try {
      again.set(hub.name, await pass(hub, stop));
    } catch (error) {
      log.error("hub-pass-crashed", { hub: hub.name, ...described(error) });
      again.set(hub.name, clock() + AFTER_CRASH_MS);
    }
    // The pass may have listed before somebody asked.
    if (questions > before) again.delete(hub.name);
  };
  const dueNow = (): void => {
    questions += 1;
    for (const [name, at] of again) if (Number.isFinite(at)) again.delete(name);
  };
  const isDue = ({ name }: Hub): boolean => {
    const [at, now] = [again.get(name) ?? 0, clock()];
    return at <= now || (Number.isFinite(at) && at > now + TOO_FAR_MS);
  };
  while (!stop.aborted) {
    if (isAsked()) dueNow();
    for (const hub of own().hubs) if (isDue(hub)) passes.add(once(hub));
    await sleep(POLL_MS, stop);
  }
  await passes.allDone();
}
