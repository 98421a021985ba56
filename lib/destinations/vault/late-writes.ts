import type { EpochMs } from "../../clock.ts";
import { LEASE_MS } from "../../ports/deps.ts";
import type { Pushed } from "../../ports/rows.ts";

/** The newest version at a path, also a deleted one; 0: there is no metadata. */
export type Newest = number | "unknown";

export interface Landing {
  readonly now: EpochMs;
  /** How long a request may take: its time-out, and the time that Vault may work on it after that. */
  readonly requestMs: number;
}

/**
 * The path as it stays recorded because a write of ours may still be carried out there; undefined: nothing can come any
 * more.
 *
 * Time alone ends that, because a removal can't make the write fail. A deleted version still counts for `cas`; without
 * metadata `cas: 0` succeeds again; kv-v1 has no `cas`; and a version that only moves the number would be one that
 * nobody wants. The write starts within the lease that recorded it, and ends within the time of a request.
 */
export function awaiting(pushed: Pushed, newest: Newest, { now, requestMs }: Landing): Pushed | undefined {
  if (pushed.writing === undefined || !mayLand(pushed, newest)) return undefined;
  // Recorded, so that the wait has an end whatever a clock says.
  const wroteAt = Math.min(pushed.wroteAt ?? now, now);
  const landsBy = wroteAt + LEASE_MS + requestMs;
  return landsBy > now ? { ...pushed, wroteAt, landsBy } : undefined;
}

/** kv-v2 carries a write out only while the version before it is the newest one. */
function mayLand({ engine, writingVersion }: Pushed, newest: Newest): boolean {
  if (engine === "kv-v1" || newest === "unknown" || writingVersion === undefined) return true;
  return newest === writingVersion - 1;
}

/**
 * Whether a path was emptied, and only waits for a late write. Not when the clock was set back since: it is then emptied
 * again, and waits from now on.
 */
export function isAwaiting({ landsBy = 0, wroteAt = 0 }: Pushed, now: EpochMs): boolean {
  return landsBy > now && wroteAt <= now;
}
