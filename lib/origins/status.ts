import type { EpochMs } from "../clock.ts";
import type { SyncError } from "../errors.ts";
import type { ResourceEvent } from "../ports/resources.ts";
import { asObject } from "../util/canonical.ts";
import type { Json, JsonObject } from "../util/json.ts";
import { printable } from "../util/printable.ts";
import { newWarnings, WARNING_TYPES, type Warning } from "./warnings.ts";

/** The condition `RolloutRestart`, with VSO's reasons. */
export interface RolloutCondition {
  readonly status: "True" | "False";
  readonly reason: "RolloutRestartTriggered" | "RolloutRestartTriggeredFailed";
  readonly message: string;
}

/** How a run ended, as far as a resource's status tells it. */
export type RunOutcome =
  | {
      readonly kind: "synced";
      readonly mac?: string;
      readonly wrote?: string;
      /** Undefined: as it was. Null: there is nothing to restart. */
      readonly rollout?: RolloutCondition | null;
      readonly warnings?: readonly Warning[];
    }
  | { readonly kind: "failed"; readonly error: SyncError };

export const ROLLOUT_RESTART = "RolloutRestart";

/** Without its times and the generation: these are added when it is merged. */
export interface Condition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** Conditions as VSO has them. A failure's code leads its message: types and reasons stay those that dashboards know. */
function conditionsOf(kind: string, outcome: RunOutcome): readonly Condition[] {
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

/** Nothing happens any more before someone changes something: tools that wait for a resource (kstatus) give up by this condition. */
export function stalledBy(error: SyncError): readonly Condition[] {
  if (error.disposition !== "park") return [];
  return [{ type: STALLED, status: "True", reason: error.code, message: failureMessage(error) }];
}

/** The API server takes 32768; a screen takes less. */
const MAX_MESSAGE = 1024;

/** What a condition says of a failure: its code leads. */
export function failureMessage(error: SyncError): string {
  return printable(`${error.code}: ${error.message}`, MAX_MESSAGE);
}

export function conditionList(status: JsonObject): readonly JsonObject[] {
  const list = status.conditions;
  return Array.isArray(list) ? list.map(asObject).filter((item) => item !== undefined) : [];
}

/** New conditions replace those of their type, the others stay in front; a time moves only with the status value (kubernetes-rules 15). */
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
      message: printable(condition.message, MAX_MESSAGE),
      observedGeneration: generation,
      lastTransitionTime: isSame
        ? (old.lastTransitionTime as string)
        : new Date(now).toISOString().replace(/\.\d+Z$/, "Z"),
    };
  });
  return [...foreign, ...ours];
}

/** Fields that a status must have, or the API server refuses it (kubernetes-rules 15). */
const REQUIRED: Readonly<Record<string, JsonObject>> = {
  VaultStaticSecret: { lastGeneration: 0 },
  VaultDynamicSecret: {
    lastGeneration: 0,
    lastRenewalTime: 0,
    secretLease: { id: "", duration: 0, renewable: false, requestID: "" },
  },
  VaultPKISecret: { lastGeneration: 0, lastRotation: 0, valid: false, error: "" },
};

/** The whole status as it should be, made from the one that was read (kubernetes-rules 15). */
export function nextStatus(
  before: JsonObject,
  about: { readonly kind: string; readonly generation: number; readonly outcome: RunOutcome; readonly now: EpochMs },
): JsonObject {
  const { kind, generation, outcome, now } = about;
  const over = endedBy(outcome);
  const kept = conditionList(before).filter(({ type }) => !over.has(type));
  const conditions = mergeConditions(kept, conditionsOf(kind, outcome), generation, now);
  const lastGeneration = outcome.kind === "synced" ? generation : ((before.lastGeneration as number | undefined) ?? 0);
  const observed = { lastGeneration, observedGeneration: generation };
  const next: Record<string, Json> = { ...REQUIRED[kind], ...before, ...observed, conditions };
  if (outcome.kind === "failed") return next;
  if (outcome.mac !== undefined) next.secretMAC = outcome.mac;
  // A MAC by another key than the cluster's makes VSO restart workloads; none makes it write once (kubernetes-rules 22).
  else delete next.secretMAC;
  return next;
}

/** Types of conditions that no longer hold, unless they are said anew. */
function endedBy(outcome: RunOutcome): ReadonlySet<Json | undefined> {
  if (outcome.kind === "failed") return new Set([STALLED]);
  return new Set([STALLED, ...WARNING_TYPES, ...(outcome.rollout === null ? [ROLLOUT_RESTART] : [])]);
}

/** Whether a status of a sync in step says these warnings and no others, and which generation it is about. */
export function isToldIn(status: JsonObject, warnings: readonly Warning[]): boolean {
  const told = conditionList(status).filter(({ type }) => WARNING_TYPES.some((known) => known === type));
  const isSame = told.length === warnings.length && newWarnings(told, warnings).length === 0;
  return isSame && status.observedGeneration !== undefined;
}

/** What people read of a status: that another generation was looked at is no news by itself. */
export function newsOf(status: JsonObject): JsonObject {
  const { observedGeneration: _observed, ...rest } = status;
  return rest;
}

/** Which event reason a failure has in VSO's vocabulary. */
function failureReason(kind: string, error: SyncError): string {
  // Without a login there is no client, as VSO sees it.
  if (error.code === "VAULT_LOGIN_REFUSED" || error.code === "CLOUD_UNAVAILABLE") return "VaultClientConfigError";
  if (error.code.startsWith("VAULT_")) return "VaultClientError";
  if (error.code.startsWith("REFERENCE_")) return "VaultClientConfigError";
  if (error.code === "TRANSFORM_FAILED") return "TransformationError";
  const isDeclaration = error.code === "SPEC_INVALID" || error.code === "UNSUPPORTED";
  if (isDeclaration && kind === "VaultStaticSecret") return "VaultStaticSecretError";
  return "SecretSyncError";
}

/** What `kubectl describe` shows of a warning that is new. */
export function warningEvent({ reason, message }: Warning): ResourceEvent {
  return { type: "Warning", reason, message };
}

/** What `kubectl describe` shows of this run; undefined when nothing happened that is worth an event. */
export function eventOf(kind: string, outcome: RunOutcome): ResourceEvent | undefined {
  if (outcome.kind === "failed") {
    return {
      type: "Warning",
      reason: failureReason(kind, outcome.error),
      message: `${outcome.error.code}: ${outcome.error.message}`,
    };
  }
  if (outcome.wrote === undefined) return undefined;
  return { type: "Normal", reason: "SecretSynced", message: `Secret synced: ${outcome.wrote}` };
}
