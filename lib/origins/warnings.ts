import type { JsonObject } from "../util/json.ts";

/** A problem with a declaration that works: a condition while it lasts, and an event when it is new. */
export interface Warning {
  readonly type: (typeof WARNING_TYPES)[number];
  readonly status: "False";
  readonly reason: string;
  readonly message: string;
}

export const WARNING_TYPES = [
  "TemplatesComplete",
  "InstantUpdates",
  "CredentialRevocable",
  "CredentialRenewed",
  "RevokeReplaced",
  "ReconcileInterval",
  "RotationCheck",
  "SecretsMembers",
] as const;

/** Warnings that a status does not have yet. */
export function newWarnings(before: readonly JsonObject[], warnings: readonly Warning[]): readonly Warning[] {
  return warnings.filter(
    ({ type, message }) => !before.some((condition) => condition.type === type && condition.message === message),
  );
}
