import { type EpochMs, MINUTE_MS } from "../clock.ts";
import { type ErrorCode, OUTAGE_CODES, SyncError } from "../errors.ts";
import { partsOf } from "../keys.ts";
import type { Origin } from "../origins/origin.ts";
import type { RolloutCondition } from "../origins/status.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { OwedRollout, RowState } from "../ports/rows.ts";
import type { RolloutTarget, SeenTarget } from "../ports/workloads.ts";
import { backOff } from "../schedule/back-off.ts";
import { printable } from "../util/printable.ts";
import { owedRollout, type RolloutQuestion, rolledOut, WINDOW_MS } from "./owed-rollout.ts";

/** A workload's controller writes to it during a rollout, which must not make us give up. */
const MAX_TRIES = 5;

export interface RolledOut {
  /** The state to settle. */
  readonly state: Pick<RowState, "rolledDigest" | "rollout">;
  /** Undefined: unchanged. Null: there are no targets, so no condition. */
  readonly condition?: RolloutCondition | null;
  /** Restarted in this run; missing: none. */
  readonly restarted?: readonly RolloutTarget[];
}

type Apis = Pick<ReconcileDeps, "rollouts" | "clock" | "random" | "log" | "metrics">;

/** The sync whose workloads are restarted. */
export interface RollingOut {
  readonly claim: Claim;
  readonly origin: Origin;
  readonly signal: AbortSignal;
}

/**
 * Does the restarts that are owed and due. Throws outages and other failures that end the run; any other failure
 * becomes a condition and another try.
 */
export async function rollOut(apis: Apis, sync: RollingOut, question: RolloutQuestion): Promise<RolledOut> {
  const { digest, targets, state, key, now } = question;
  const owed = owedRollout(question);
  if (!owed) return { state: { rolledDigest: digest }, ...(targets.length === 0 ? { condition: null } : {}) };
  const rolled = rolledOut(state, key);
  const before = rolled === undefined ? {} : { rolledDigest: rolled };
  if (owed.at > now) return { state: { ...before, rollout: owed } };
  const tries: Try[] = [];
  for (const target of targets) tries.push(await restart(apis, sync, target, owed));
  await reportRestarts(apis, sync, owed, tries);
  const condition = conditionOf(tries);
  const next = nextTry(owed, tries, apis);
  const restarted = tries.filter(({ result }) => result === "restarted").map(({ target }) => target);
  return {
    state: next === undefined ? { rolledDigest: digest } : { ...before, rollout: next },
    ...(condition === undefined ? {} : { condition }),
    ...(restarted.length === 0 ? {} : { restarted }),
  };
}

/**
 * The result for one target. `covered`: it was restarted or created since. `later`: it was restarted within the last
 * minute.
 */
type Try = { readonly target: RolloutTarget } & (
  | { readonly result: "restarted" | "covered" }
  | { readonly result: "later"; readonly at: EpochMs }
  | { readonly result: "failed"; readonly error: SyncError }
);

/** Failures of the whole run, not of one target. */
export const ENDS_THE_RUN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...OUTAGE_CODES,
  "LEASE_LOST",
  "DEADLINE_EXCEEDED",
  "KUBE_LOGIN_REFUSED",
]);

async function restart(
  apis: Apis,
  { claim, signal }: RollingOut,
  target: RolloutTarget,
  owed: OwedRollout,
): Promise<Try> {
  const { cluster, namespace } = partsOf(claim.row.key);
  const named = { cluster, namespace, ...target };
  try {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const seen = await apis.rollouts.get(named, signal);
      const now = apis.clock();
      const hindrance = classifyTarget(target, seen, owed, now);
      if (hindrance) return hindrance;
      await claim.takeToWrite();
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

/** Why a target is not restarted now; undefined: it is. */
function classifyTarget(
  target: RolloutTarget,
  seen: SeenTarget | undefined,
  owed: OwedRollout,
  now: EpochMs,
): Try | undefined {
  if (!seen || seen.deleting) {
    const message = `there is no ${nameOf(target)} in this namespace: create it, or remove it from rolloutRestartTargets`;
    return { target, result: "failed", error: new SyncError("TARGET_MISSING", message) };
  }
  if (isCovered(seen, owed.since, now)) return { target, result: "covered" };
  if (seen.paused) {
    const message = `${nameOf(target)} is paused: resume it, and keyferry restarts it`;
    return { target, result: "failed", error: new SyncError("TARGET_PAUSED", message) };
  }
  const restartedAt = restartOf(seen, now);
  if (restartedAt + WINDOW_MS > now) return { target, result: "later", at: restartedAt + WINDOW_MS };
  return undefined;
}

/** Whether it was restarted or created since. */
export function isCovered(seen: SeenTarget, since: EpochMs, now: EpochMs): boolean {
  return Math.max(restartOf(seen, now), seen.createdAt) >= since;
}

/** A time in the future is not a past restart, and must not hide one. */
function restartOf({ restartTimes }: SeenTarget, now: EpochMs): EpochMs {
  return Math.max(0, ...restartTimes.filter((time) => time <= now + MINUTE_MS));
}

function nameOf({ kind, name }: RolloutTarget): string {
  return `${kind} ${name}`;
}

function failuresOf(tries: readonly Try[]): readonly { readonly target: RolloutTarget; readonly error: SyncError }[] {
  return tries.filter((one) => one.result === "failed");
}

/** The earliest of the remaining times: the end of a minute, or a failure's back-off. */
function nextTry(owed: OwedRollout, tries: readonly Try[], { clock, random }: Apis): OwedRollout | undefined {
  const failures = failuresOf(tries);
  const later = tries.filter((one) => one.result === "later").map(({ at }) => at);
  if (failures.length === 0 && later.length === 0) return undefined;
  const attempts = failures.length === 0 ? 0 : owed.attempts + 1;
  const delays = failures.map(({ error: { disposition, retryAfterMs } }) => {
    // No failure of a target is final: someone may create, resume or allow it.
    const pace = disposition === "retry" ? "retry" : "recheck";
    const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
    return backOff({ disposition: pace, attempts, ...pause }, random) ?? 0;
  });
  const at = Math.min(...later, ...delays.map((delay) => clock() + delay));
  return { ...owed, at, attempts };
}

/** The API server accepts 32768; this fits on a screen. */
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

/** Events, log and metrics: each failure once, not with every try. */
async function reportRestarts(
  { metrics, log }: Apis,
  { claim, origin, signal }: RollingOut,
  { attempts }: OwedRollout,
  tries: readonly Try[],
): Promise<void> {
  const { key } = claim.row;
  const { cluster } = partsOf(key);
  for (const { result } of tries) {
    if (result !== "later") metrics.count("keyferry_rollouts_total", { cluster, result });
  }
  const restarted = tries.filter(({ result }) => result === "restarted").map(({ target }) => nameOf(target));
  if (restarted.length > 0) {
    log.info("rollout-restarted", { key, targets: restarted });
    const message = `Rollout restart triggered for ${restarted.join(", ")}`;
    await origin.emit({ type: "Normal", reason: "RolloutRestartTriggered", message }, signal);
  }
  const message = failureMessage(tries);
  if (message === "") return;
  log.warn("rollout-failed", { key, message });
  if (attempts === 0) await origin.emit({ type: "Warning", reason: "RolloutRestartFailed", message }, signal);
}
