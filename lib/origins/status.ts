import type { EpochMs } from "../clock.ts";
import type { SyncError } from "../errors.ts";
import type { ResourceEvent } from "../ports/resources.ts";
import type { KindRef } from "../resource-kinds.ts";
import { asObject } from "../util/canonical.ts";
import type { Json, JsonObject } from "../util/json.ts";
import { conditionMessage, newWarnings, WARNING_TYPES, type Warning } from "./warnings.ts";

/** The condition `RolloutRestart`, with VSO's reasons. */
export interface RolloutCondition {
  readonly status: "True" | "False";
  readonly reason: "RolloutRestartTriggered" | "RolloutRestartTriggeredFailed";
  readonly message: string;
}

/** The result of a run for a resource's status. */
export type RunOutcome =
  | {
      readonly kind: "synced";
      readonly mac?: string;
      readonly wrote?: string;
      /** Undefined: unchanged. Null: there is nothing to restart. */
      readonly rollout?: RolloutCondition | null;
      /** Restarts are still to be done: the failure that was told stays. Missing: none are. */
      readonly isRolloutOwed?: boolean;
      readonly warnings?: readonly Warning[];
      /** Members of the status that only its kind has. Null removes one. */
      readonly status?: JsonObject;
      /** Other data than before, as with a new credential. */
      readonly isRotation?: boolean;
    }
  | {
      readonly kind: "failed";
      readonly error: SyncError;
      /** Members of the status that only its kind has. */
      readonly status?: JsonObject;
    }
  /** Between runs: only this warning is new, or over. */
  | { readonly kind: "warned"; readonly type: Warning["type"]; readonly warning?: Warning };

export const ROLLOUT_RESTART = "RolloutRestart";

/** VSO's, about the last renewal. keyferry's renewals write no status. */
const LEASE_RENEWAL = "LeaseRenewal";

/** Without times and generation, which the merge adds. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** VSO's conditions. A failure's message begins with its code: dashboards know the types and reasons. */
function conditionsOf(kind: string, outcome: RunOutcome): readonly Condition[] {
  if (outcome.kind === "warned") return outcome.warning === undefined ? [] : [outcome.warning];
  if (outcome.kind === "synced") {
    return [
      { type: "SecretSynced", status: "True", reason: "Synced", message: "Secret synced" },
      { type: "Healthy", status: "True", reason: "Healthy", message: `${kind}Healthy` },
      { type: "Ready", status: "True", reason: "Ready", message: `${kind}Ready` },
      ...(outcome.rollout ? [{ type: ROLLOUT_RESTART, ...outcome.rollout }] : []),
      ...(outcome.warnings ?? []),
    ];
  }
  const message = failureMessage(outcome.error);
  return [
    { type: "SecretSynced", status: "False", reason: "Synced", message },
    { type: "Healthy", status: "False", reason: "Unhealthy", message },
    { type: "Ready", status: "False", reason: "Ready", message },
    ...stalledBy(outcome.error),
  ];
}

export const STALLED = "Stalled";

/** A condition for a failure that only a change can end: it makes tools that wait (kstatus) give up. */
export function stalledBy(error: SyncError): readonly Condition[] {
  if (error.disposition !== "park") return [];
  return [{ type: STALLED, status: "True", reason: error.code, message: failureMessage(error) }];
}

/** A condition's message about a failure, which begins with its code. */
export function failureMessage(error: SyncError): string {
  return conditionMessage(`${error.code}: ${error.message}`);
}

export function conditionList(status: JsonObject): readonly JsonObject[] {
  const list = status.conditions;
  return Array.isArray(list) ? list.map(asObject).filter((item) => item !== undefined) : [];
}

/**
 * New conditions replace those of their type, the others stay first; a time changes only with the status value
 * (kubernetes-rules 15).
 */
export function mergeConditions(
  before: readonly JsonObject[],
  next: readonly Condition[],
  generation: number,
  now: EpochMs,
): readonly JsonObject[] {
  const foreign = before.filter((old) => !next.some((condition) => condition.type === old.type));
  const ours = next.map((condition) => {
    const old = before.find((candidate) => candidate.type === condition.type);
    const isSame = old?.status === condition.status && typeof old.lastTransitionTime === "string";
    return {
      ...condition,
      message: conditionMessage(condition.message),
      observedGeneration: generation,
      lastTransitionTime: isSame
        ? (old.lastTransitionTime as string)
        : new Date(now).toISOString().replace(/\.\d+Z$/, "Z"),
    };
  });
  return [...foreign, ...ours];
}

/** The whole new status, based on the one that was read (kubernetes-rules 15). */
export function nextStatus(
  before: JsonObject,
  about: { readonly kind: KindRef; readonly generation: number; readonly outcome: RunOutcome; readonly now: EpochMs },
): JsonObject {
  const { kind, generation, outcome, now } = about;
  const over = endedBy(outcome);
  const isOver = (told: JsonObject): boolean =>
    over.has(told.type) || (outcome.kind === "synced" && isLeftover(told, outcome.isRolloutOwed === true));
  const set = conditionsOf(kind.kind, outcome);
  // What is set again keeps its time.
  const kept = conditionList(before).filter((told) => !isOver(told) || set.some(({ type }) => type === told.type));
  const conditions = mergeConditions(kept, set, generation, now);
  const lastGeneration = outcome.kind === "synced" ? generation : ((before.lastGeneration as number | undefined) ?? 0);
  const observed = { lastGeneration, observedGeneration: generation };
  const next: Record<string, Json> = { ...kind.emptyStatus, ...before, ...observed, conditions };
  if (outcome.kind === "warned") return next;
  Object.assign(next, outcome.status);
  for (const name of Object.keys(outcome.status ?? {})) if (next[name] === null) delete next[name];
  if (outcome.kind === "failed") return next;
  if (outcome.mac !== undefined) next.secretMAC = outcome.mac;
  // With a MAC of another key than the cluster's VSO restarts workloads; without one it writes once (kubernetes-rules
  // 22).
  else delete next.secretMAC;
  return next;
}

/** Types of conditions to remove, unless they are set again. */
function endedBy(outcome: RunOutcome): ReadonlySet<Json | undefined> {
  if (outcome.kind === "failed") return new Set([STALLED]);
  if (outcome.kind === "warned") return new Set([outcome.type]);
  return new Set([STALLED, ...WARNING_TYPES, ...(outcome.rollout === null ? [ROLLOUT_RESTART] : [])]);
}

/** Whether a sync in step has outlived this condition, as after VSO: nothing that is still to come would change it. */
function isLeftover({ type, status }: JsonObject, isRolloutOwed: boolean): boolean {
  return type === LEASE_RENEWAL || (type === ROLLOUT_RESTART && status === "False" && !isRolloutOwed);
}

/**
 * Whether the status of a sync in step has exactly these warnings, the current generation, and no condition that is to
 * be removed.
 */
export function isToldIn(status: JsonObject, warnings: readonly Warning[], isRolloutOwed: boolean): boolean {
  const all = conditionList(status);
  const told = all.filter(({ type }) => WARNING_TYPES.some((known) => known === type));
  const isSame = told.length === warnings.length && newWarnings(told, warnings).length === 0;
  return isSame && status.observedGeneration !== undefined && !all.some((one) => isLeftover(one, isRolloutOwed));
}

/** Whether only keyferry knows this condition of a sync: VSO would never change it. */
export function isOwnCondition({ type }: JsonObject): boolean {
  return type === STALLED || WARNING_TYPES.some((known) => known === type);
}

/** The parts of a status that people read: a new observed generation alone is no news. */
export function newsOf(status: JsonObject): JsonObject {
  const { observedGeneration: _observed, ...rest } = status;
  return rest;
}

/** VSO's event reason for a failure. */
function failureReason({ invalidReason }: KindRef, error: SyncError): string {
  // In VSO, a failed login means that there is no client.
  if (error.code === "VAULT_LOGIN_REFUSED" || error.code === "CLOUD_UNAVAILABLE") return "VaultClientConfigError";
  if (error.code.startsWith("VAULT_")) return "VaultClientError";
  if (error.code.startsWith("REFERENCE_")) return "VaultClientConfigError";
  if (error.code === "TRANSFORM_FAILED") return "TransformationError";
  const isDeclaration = error.code === "SPEC_INVALID" || error.code === "UNSUPPORTED";
  return (isDeclaration ? invalidReason : undefined) ?? "SecretSyncError";
}

/** The event for a new warning. */
export function warningEvent({ reason, message }: Warning): ResourceEvent {
  return { type: "Warning", reason, message };
}

/** The event for this run; undefined when it is not worth one. */
export function eventOf(kind: KindRef, outcome: RunOutcome): ResourceEvent | undefined {
  if (outcome.kind === "failed") {
    return {
      type: "Warning",
      reason: failureReason(kind, outcome.error),
      message: `${outcome.error.code}: ${outcome.error.message}`,
    };
  }
  if (outcome.kind === "warned" || outcome.wrote === undefined) return undefined;
  const reason = outcome.isRotation ? "SecretRotated" : "SecretSynced";
  return { type: "Normal", reason, message: `Secret synced: ${outcome.wrote}` };
}
