import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { type Digest, type DigestKey, isOfKey, sameDigest } from "../digest.ts";
import type { OwedRollout, RowState } from "../ports/rows.ts";
import type { RolloutTarget } from "../ports/workloads.ts";

/**
 * When do we restart workloads?
 *
 * - A rollout is **owed** when the Secret holds another digest than the row recorded as rolled out (kubernetes-rules 20). The
 *   row says so in the settle that follows the write, and goes on saying it until every target was restarted: a crash in
 *   between loses nothing.
 * - It is tried some seconds later, so that syncs which change together restart what they share once, and no target is
 *   restarted twice within a minute: what becomes owed meanwhile waits for its end. What the due run itself writes is
 *   covered by its restart.
 * - A target that was restarted, or made, after the Secret was written has what it needs, whoever did it. So a crash after
 *   the restart repeats none, and one restart serves all syncs that wait for it.
 * - What fails is tried again by its code. The sync itself is in step all the while.
 */

/** From the write to the first try. */
export const GATHER_MS = 10 * SECOND_MS;

/** From one restart of a target to the next. */
export const WINDOW_MS = MINUTE_MS;

/** Restart times are whole seconds: after this difference they are later even when rounded. */
const CLEARLY_LATER_MS = 2 * SECOND_MS;

export interface RolloutQuestion {
  /** As of the last settle. */
  readonly state: RowState;
  /** Of the destination's current data. */
  readonly digest: Digest;
  readonly key: DigestKey;
  readonly targets: readonly RolloutTarget[];
  /** The declaration changed, or a run was requested: a person may have fixed the failure. */
  readonly isAskedFor: boolean;
  readonly now: EpochMs;
}

/** The owed restarts after this run, with the time of the next try; undefined: none. */
export function owedRollout(question: RolloutQuestion): OwedRollout | undefined {
  const { state, digest, key, targets, now } = question;
  if (targets.length === 0) return undefined;
  const pending = state.rollout;
  if (pending?.digest === digest) {
    const retriesNow = pending.attempts > 0 && question.isAskedFor;
    return retriesNow ? { ...pending, at: now, attempts: 0 } : pending;
  }
  const rolled = rolledOut(state, key);
  // A pending rollout may be partly done: it stays owed even if the data changed back.
  if (!pending && (rolled === undefined || sameDigest(rolled, digest))) return undefined;
  // Data that differs at every read is other data in each run, also in the one that is to restart: that one covers it.
  if (pending !== undefined && pending.at <= now) return { ...pending, digest, since: now };
  // Data that keeps changing must not postpone the restart for ever.
  const isGathering = pending !== undefined && pending.attempts === 0;
  const at = isGathering ? Math.max(pending.at, now + CLEARLY_LATER_MS) : now + GATHER_MS;
  return { digest, since: now, at, attempts: 0 };
}

/**
 * The digest that workloads run with, if it can be compared; undefined before the first sync, and after a change of the
 * digest key, which alone owes nothing (lease-table 25).
 */
export function rolledOut({ rolledDigest, digest }: RowState, key: DigestKey): Digest | undefined {
  const rolled = rolledDigest ?? digest;
  if (rolled === undefined || isOfKey(key, rolled)) return rolled;
  // It was already owed with the former key, whatever the data is now.
  return digest !== undefined && digest !== rolled ? rolled : undefined;
}
