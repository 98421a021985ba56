import type { EpochMs } from "../clock.ts";
import type { Warned } from "../declarations/warnings.ts";
import type { SyncError } from "../errors.ts";
import type { ResourceEvent } from "../ports/resources.ts";
import type { Json, JsonObject } from "../util/json.ts";
import { type Condition, conditionList, failureMessage, mergeConditions, STALLED, stalledBy } from "./status.ts";

/** The result of checking a reference. */
export interface Verdict {
  readonly error?: SyncError;
  /** VaultConnection: Vault was probed, and `error` is the result of that. */
  readonly isAsked?: boolean;
  /** VaultAuth with a vaultAuthGlobalRef: whether the two could be merged. */
  readonly merged?: boolean;
  /** VaultAuth: what works but should change. */
  readonly warnings?: readonly Warned[];
}

/** VSO's names of kinds in messages; one has an extra letter. */
const SUBJECTS: Readonly<Record<string, string>> = { SecretTransformation: "SecretsTransformation" };

function healthOf(kind: string, { error }: Verdict): readonly Condition[] {
  const subject = SUBJECTS[kind] ?? kind;
  if (error === undefined) {
    return [
      { type: "Healthy", status: "True", reason: "Healthy", message: `${subject}Healthy` },
      { type: "Ready", status: "True", reason: "Ready", message: `${subject}Ready` },
    ];
  }
  const message = failureMessage(error);
  return [
    { type: "Healthy", status: "False", reason: "Unhealthy", message },
    { type: "Ready", status: "False", reason: "Ready", message },
    ...stalledBy(error),
  ];
}

/** What fails in a VaultConnection: its settings, or the probe of Vault. */
function connectionConditions({ error, isAsked }: Verdict): readonly Condition[] {
  if (error === undefined) {
    return [
      { type: "VaultPing", status: "True", reason: "Accepted", message: "Vault answers" },
      { type: "ResourceValidation", status: "True", reason: "Accepted", message: ACCEPTED },
    ];
  }
  const message = failureMessage(error);
  const failed: Condition = isAsked
    ? { type: "VaultPing", status: "False", reason: "InvalidConfiguration", message }
    : { type: "VaultClient", status: "False", reason: "VaultClientConfigError", message };
  return [failed, { type: "ResourceValidation", status: "False", reason: "InvalidConfiguration", message }];
}

const ACCEPTED = "VaultConnection accepted";

function authConditions({ error, merged }: Verdict): readonly Condition[] {
  if (merged === undefined) return [];
  const about = { type: "Available", reason: "VaultAuthGlobalRef" };
  if (merged) return [{ ...about, status: "True", message: "VaultAuthGlobal merged" }];
  return [{ ...about, status: "False", message: error ? failureMessage(error) : "VaultAuthGlobal not merged" }];
}

/** Conditions that keyferry sets and removes. */
const OURS: ReadonlySet<Json | undefined> = new Set([
  ...["VaultClient", "VaultPing", "ResourceValidation", "Available", "Healthy", "Ready", "AudienceMissing", STALLED],
]);

function warningConditions({ warnings = [] }: Verdict): readonly Condition[] {
  return warnings.map((warning) => ({ ...warning, status: "True" }));
}

function conditionsOf(kind: string, verdict: Verdict): readonly Condition[] {
  const health = healthOf(kind, verdict);
  if (kind === "VaultConnection") return [...connectionConditions(verdict), ...health];
  return kind === "VaultAuth" ? [...authConditions(verdict), ...health, ...warningConditions(verdict)] : health;
}

/** The whole new status, based on the one that was read (kubernetes-rules 15). */
export function nextReferenceStatus(
  before: JsonObject,
  about: { readonly kind: string; readonly generation: number; readonly verdict: Verdict; readonly now: EpochMs },
): JsonObject {
  const { kind, generation, verdict, now } = about;
  const next = conditionsOf(kind, verdict);
  const known = conditionList(before).filter(
    ({ type }) => !OURS.has(type) || next.some((condition) => condition.type === type),
  );
  const { error } = verdict;
  return {
    ...before,
    valid: error === undefined,
    ...(kind === "VaultConnection" ? {} : { error: error ? failureMessage(error) : "" }),
    observedGeneration: generation,
    conditions: mergeConditions(known, next, generation, now),
  };
}

/** Events about a changed verdict: the result, then its warnings. */
export function referenceEvents(kind: string, verdict: Verdict): readonly ResourceEvent[] {
  const event = referenceEvent(kind, verdict);
  const { warnings = [] } = verdict;
  const others = warnings.map(({ reason, message }) => ({ type: "Warning", reason, message }) as const);
  return event ? [event, ...others] : others;
}

/** The verdict with VSO's reason. */
export function referenceEvent(kind: string, verdict: Verdict): ResourceEvent | undefined {
  const { error, isAsked } = verdict;
  if (kind === "SecretTransformation") {
    return error && { type: "Warning", reason: "InvalidConfiguration", message: failureMessage(error) };
  }
  if (error === undefined) return { type: "Normal", reason: "Accepted", message: `${kind} accepted` };
  const reason = kind === "VaultAuth" ? "Accepted" : isAsked ? "VaultClientError" : "InvalidConfiguration";
  return { type: "Warning", reason, message: failureMessage(error) };
}
