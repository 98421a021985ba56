import { type EpochMs, HOUR_MS, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { parseDuration } from "../duration.ts";
import type { Issue } from "../ports/issues.ts";
import type { RolloutTarget } from "../ports/workloads.ts";
import { endingAt, endingByItself, isNotRevoked } from "./issue-times.ts";

/**
 * When is a replaced credential ended? When all rollout targets run with its successor, and their pods from before have
 * had their grace period to end. Without targets, when they are not complete within 15 minutes, or with a grace period
 * of more than an hour, it ends by itself, because somebody may still use it. An annotation decides otherwise.
 */

/** On a declaration: `<duration>` after the replacement, or `at-end`. */
export const REVOKE_REPLACED = "keyferry.dev/revoke-replaced";

const AFTER_ROLLOUT_MS = 30 * SECOND_MS;
/** From the end of a grace period until its pods are surely gone. */
const KILLED_WITHIN_MS = 5 * SECOND_MS;
/** No token is kept alive for pods that may take longer. */
const LONGEST_GRACE_MS = HOUR_MS;
const ROLLOUT_WITHIN_MS = 15 * MINUTE_MS;
const LOOK_AGAIN_MS = 15 * SECOND_MS;

/** What is wrong with the annotation; undefined: nothing. */
export function revokeReplacedProblem(annotations: Readonly<Record<string, string>>): string | undefined {
  const wish = annotations[REVOKE_REPLACED];
  if (wish === undefined || wish === "at-end" || parseDuration(wish) !== undefined) return undefined;
  return `annotation ${REVOKE_REPLACED} must be a duration such as "30s", or "at-end": it has no effect`;
}

/** What decides about replaced credentials of a declaration. */
export interface Replacing {
  readonly annotations: Readonly<Record<string, string>>;
  readonly targets: readonly RolloutTarget[];
  /** False: they only ever end by themselves. */
  readonly revokes: boolean;
}

/** The predecessor, from the moment on when the Secret holds its successor. */
export function replacedIssue(issue: Issue, { annotations, targets, revokes }: Replacing, now: EpochMs): Issue {
  const { lost: _lost, ...kept } = issue;
  const rest: Issue = { ...kept, replacedAt: now };
  // Nothing of it has to be ended: the row forgets it at once.
  if (isNotRevoked(rest)) return endingAt(rest, now, now);
  const wish = annotations[REVOKE_REPLACED];
  const after = parseDuration(wish);
  if (!revokes || wish === "at-end") return endingByItself(rest, now);
  if (after !== undefined) return endingAt(rest, now + after, now);
  if (targets.length === 0) return endingByItself(rest, now);
  return { ...endingByItself(rest, now), endAt: now + LOOK_AGAIN_MS, inUseUntil: now + ROLLOUT_WITHIN_MS };
}

/** After a look at the rollout targets. `graceMs`: how long pods from before may take to end; undefined: they still run. */
export function lookedAt(issue: Issue, graceMs: number | undefined, now: EpochMs): Issue {
  const { inUseUntil = 0, ...rest } = issue;
  if (graceMs !== undefined) {
    if (graceMs > LONGEST_GRACE_MS) return endingByItself(rest, now);
    return { ...rest, endAt: now + Math.max(AFTER_ROLLOUT_MS, graceMs + KILLED_WITHIN_MS) };
  }
  if (now >= inUseUntil) return endingByItself(rest, now);
  return { ...issue, endAt: Math.min(now + LOOK_AGAIN_MS, inUseUntil) };
}
