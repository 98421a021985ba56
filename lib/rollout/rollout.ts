import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { mayStillWrite } from "../destinations/kubernetes-secret/act.ts";
import type { Seen } from "../destinations/kubernetes-secret/decide.ts";
import { bearsMarksOf } from "../destinations/kubernetes-secret/owners.ts";
import { type Digest, type DigestKey, isOfKey, sameDigest } from "../digest.ts";
import { type ErrorCode, OUTAGE_CODES, SyncError } from "../errors.ts";
import { resourceOf } from "../origins/resource.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { OwedRollout, Row, RowState } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";
import type { RolloutTarget, SeenTarget } from "../ports/workloads.ts";
import { printable } from "../printable.ts";
import { backOff } from "../schedule/back-off.ts";

/**
 * When do we restart workloads?
 *
 * - A rollout is **owed** when the Secret holds another digest than the row recorded as rolled out (kubernetes-rules 20). The
 *   row says so in the settle that follows the write, and goes on saying it until every target was restarted: a crash in
 *   between loses nothing.
 * - It is tried some seconds later, so that syncs which change together restart what they share once, and no target is
 *   restarted twice within a minute: what becomes owed meanwhile waits for its end.
 * - A target that was restarted, or made, after the Secret was written has what it needs, whoever did it. So a crash after
 *   the restart repeats none, and one restart serves all syncs that wait for it.
 * - What fails is tried again by its code. The sync itself is in step all the while.
 */

/** From the write to the first try. */
export const GATHER_MS = 10 * SECOND_MS;

/** From one restart of a target to the next. */
export const WINDOW_MS = MINUTE_MS;

/** Times of restarts are whole seconds: one that is so much younger than the write is younger in its rounded form, too. */
const CLEARLY_LATER_MS = 2 * SECOND_MS;

/** Its controller writes to a workload while it rolls: that is no reason to give up. */
const MAX_TRIES = 5;

export interface RolloutQuestion {
  /** As the last settle left it. */
  readonly state: RowState;
  /** What the destination holds now. */
  readonly digest: Digest;
  readonly key: DigestKey;
  readonly targets: readonly RolloutTarget[];
  /** The declaration changed, or someone asked for a run: a person may have mended what failed. */
  readonly isAskedFor: boolean;
  readonly now: EpochMs;
}

/** What is owed after this run, with the time of the next try; undefined: nothing. */
export function owedRollout(question: RolloutQuestion): OwedRollout | undefined {
  const { state, digest, key, targets, now } = question;
  if (targets.length === 0) return undefined;
  const pending = state.rollout;
  if (pending?.digest === digest) {
    const retriesNow = pending.attempts > 0 && question.isAskedFor;
    return retriesNow ? { ...pending, at: now, attempts: 0 } : pending;
  }
  const rolled = rolledOut(state, key);
  // What is pending may have been done in part already: it stays owed even if the data went back to what it was.
  if (!pending && (rolled === undefined || sameDigest(rolled, digest))) return undefined;
  // Data that keeps changing must not put the restart off for ever.
  const isGathering = pending !== undefined && pending.attempts === 0;
  const at = isGathering ? Math.max(pending.at, now + CLEARLY_LATER_MS) : now + GATHER_MS;
  return { digest, since: now, at, attempts: 0 };
}

/**
 * The digest that workloads run with, as far as it can be compared; undefined before the first sync, and after a change
 * of the digest key: that owes nothing by itself (lease-table 25).
 */
export function rolledOut({ rolledDigest, digest }: RowState, key: DigestKey): Digest | undefined {
  const rolled = rolledDigest ?? digest;
  if (rolled === undefined || isOfKey(key, rolled)) return rolled;
  // Under the former key it was owed already, whatever the data is now.
  return digest !== undefined && digest !== rolled ? rolled : undefined;
}

/**
 * What a Secret held before we write to it, where nothing else tells what its workloads run with: it is to be recorded first,
 * since the write destroys it. So it is when a Secret of VSO's, or of a keyferry whose table was lost, is out of step.
 */
export function unrecordedRollout(seen: Seen): Digest | undefined {
  const { row, destination, secret, secretDigest, key } = seen;
  if (typeof secret !== "object" || secretDigest === undefined || sameDigest(secretDigest, seen.digest))
    return undefined;
  if (row.state.rollout || rolledOut(row.state, key) !== undefined) return undefined;
  const isOfThisSync = destination.create
    ? bearsMarksOf(secret, destination.ownerReference)
    : secret.managed.ours || Boolean(row.declared.seen.status.secretMAC);
  return isOfThisSync ? secretDigest : undefined;
}

/** Thrown before the first write of a run: this digest is to be recorded as rolled out, then the run begins anew. */
export class RecordFirst extends Error {
  readonly rolledDigest: Digest;

  constructor(rolledDigest: Digest) {
    super("what is rolled out is recorded first");
    this.rolledDigest = rolledDigest;
  }
}

/** The condition `RolloutRestart`, with VSO's reasons. */
export interface RolloutCondition {
  readonly status: "True" | "False";
  readonly reason: "RolloutRestartTriggered" | "RolloutRestartTriggeredFailed";
  readonly message: string;
}

export interface RolledOut {
  /** What settle records. */
  readonly state: Pick<RowState, "rolledDigest" | "rollout">;
  /** Undefined: as it was. Null: there are no targets, and so no condition. */
  readonly condition?: RolloutCondition | null;
}

type Apis = Pick<ReconcileDeps, "rollouts" | "resources" | "clock" | "random" | "log" | "metrics">;

/** Does what is owed and due. Throws outages and what ends the run; all else becomes a condition and another try. */
export async function rollOut(
  apis: Apis,
  row: Row,
  question: RolloutQuestion,
  lease: Lease,
  signal: AbortSignal,
): Promise<RolledOut> {
  const { digest, targets, state, key, now } = question;
  const owed = owedRollout(question);
  if (!owed) return { state: { rolledDigest: digest }, ...(targets.length === 0 ? { condition: null } : {}) };
  const rolled = rolledOut(state, key);
  const before = rolled === undefined ? {} : { rolledDigest: rolled };
  if (owed.at > now) return { state: { ...before, rollout: owed } };
  const tries: Try[] = [];
  for (const target of targets) tries.push(await restart(apis, row, target, owed, lease, signal));
  await reportRestarts(apis, row, owed, tries, signal);
  const condition = conditionOf(tries);
  const next = nextTry(owed, tries, apis);
  return {
    state: next === undefined ? { rolledDigest: digest } : { ...before, rollout: next },
    ...(condition === undefined ? {} : { condition }),
  };
}

/** What became of one target. `covered`: it was restarted or made since. `later`: it was restarted within the last minute. */
type Try = { readonly target: RolloutTarget } & (
  | { readonly result: "restarted" | "covered" }
  | { readonly result: "later"; readonly at: EpochMs }
  | { readonly result: "failed"; readonly error: SyncError }
);

/** These concern the whole run, not one target. */
const ENDS_THE_RUN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...OUTAGE_CODES,
  "LEASE_LOST",
  "DEADLINE_EXCEEDED",
  "KUBE_LOGIN_REFUSED",
]);

async function restart(
  apis: Apis,
  row: Row,
  target: RolloutTarget,
  owed: OwedRollout,
  lease: Lease,
  signal: AbortSignal,
): Promise<Try> {
  const { cluster, namespace } = resourceOf(row);
  const named = { cluster, namespace, ...target };
  try {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const seen = await apis.rollouts.get(named, signal);
      const now = apis.clock();
      const hindrance = judgeTarget(target, seen, owed, now);
      if (hindrance) return hindrance;
      mayStillWrite(lease, now);
      if (seen && (await apis.rollouts.restart(named, seen.resourceVersion, now, signal))) {
        return { target, result: "restarted" };
      }
    }
    throw new SyncError("KUBE_CONFLICT", `${nameOf(target)} changed between reading and writing ${MAX_TRIES} times`);
  } catch (error) {
    if (!(error instanceof SyncError) || ENDS_THE_RUN.has(error.code)) throw error;
    return { target, result: "failed", error };
  }
}

/** Why a target is not to be restarted now; undefined: it is. */
function judgeTarget(
  target: RolloutTarget,
  seen: SeenTarget | undefined,
  owed: OwedRollout,
  now: EpochMs,
): Try | undefined {
  if (!seen || seen.deleting) {
    const message = `there is no ${nameOf(target)} in this namespace: create it, or take it off rolloutRestartTargets`;
    return { target, result: "failed", error: new SyncError("TARGET_MISSING", message) };
  }
  // A time in the future is no restart that was.
  const restartedAt = seen.restartedAt !== undefined && seen.restartedAt <= now + MINUTE_MS ? seen.restartedAt : 0;
  if (Math.max(restartedAt, seen.createdAt) >= owed.since) return { target, result: "covered" };
  if (seen.paused) {
    const message = `${nameOf(target)} is paused: resume it, and it is restarted`;
    return { target, result: "failed", error: new SyncError("TARGET_PAUSED", message) };
  }
  if (restartedAt + WINDOW_MS > now) return { target, result: "later", at: restartedAt + WINDOW_MS };
  return undefined;
}

function nameOf({ kind, name }: RolloutTarget): string {
  return `${kind} ${name}`;
}

function failuresOf(tries: readonly Try[]): readonly { readonly target: RolloutTarget; readonly error: SyncError }[] {
  return tries.filter((one) => one.result === "failed");
}

/** The soonest of what is left: the end of a minute, or a failure's back-off by its code. */
function nextTry(owed: OwedRollout, tries: readonly Try[], { clock, random }: Apis): OwedRollout | undefined {
  const failures = failuresOf(tries);
  const later = tries.filter((one) => one.result === "later").map(({ at }) => at);
  if (failures.length === 0 && later.length === 0) return undefined;
  const attempts = failures.length === 0 ? 0 : owed.attempts + 1;
  const delays = failures.map(({ error: { disposition, retryAfterMs } }) => {
    // Nothing of a target is for ever: someone may create, resume or allow it.
    const pace = disposition === "retry" ? "retry" : "recheck";
    const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
    return backOff({ disposition: pace, attempts, ...pause }, random) ?? 0;
  });
  const at = Math.min(...later, ...delays.map((delay) => clock() + delay));
  return { ...owed, at, attempts };
}

/** The API server takes 32768; a screen takes less. */
const MAX_MESSAGE = 1024;

function failureMessage(tries: readonly Try[]): string {
  const each = failuresOf(tries).map(({ error }) => `${error.code}: ${error.message}`);
  return printable(each.join("; "), MAX_MESSAGE);
}

/** Undefined while targets only wait for the end of their minute. */
function conditionOf(tries: readonly Try[]): RolloutCondition | undefined {
  const message = failureMessage(tries);
  if (message !== "") return { status: "False", reason: "RolloutRestartTriggeredFailed", message };
  if (tries.some(({ result }) => result === "later")) return undefined;
  return { status: "True", reason: "RolloutRestartTriggered", message: "Rollout restart triggered" };
}

/** Events, log and counts: a failure once, and not with every try. */
async function reportRestarts(
  apis: Apis,
  row: Row,
  { attempts }: OwedRollout,
  tries: readonly Try[],
  signal: AbortSignal,
): Promise<void> {
  const ref = resourceOf(row);
  const { uid } = row.declared;
  for (const { result } of tries) {
    if (result !== "later") apis.metrics.count("keyferry_rollouts_total", { cluster: ref.cluster, result });
  }
  const restarted = tries.filter(({ result }) => result === "restarted").map(({ target }) => nameOf(target));
  if (restarted.length > 0) {
    apis.log.info("rollout-restarted", { key: row.key, targets: restarted });
    const message = `Rollout restart triggered for ${restarted.join(", ")}`;
    const event = { type: "Normal", reason: "RolloutRestartTriggered", message } as const;
    await apis.resources.emit(ref, uid, event, apis.clock(), signal);
  }
  const message = failureMessage(tries);
  if (message === "") return;
  apis.log.warn("rollout-failed", { key: row.key, message });
  if (attempts > 0) return;
  await apis.resources.emit(
    ref,
    uid,
    { type: "Warning", reason: "RolloutRestartFailed", message },
    apis.clock(),
    signal,
  );
}
