import type { JsonObject } from "../util/json.ts";
import { printable } from "../util/printable.ts";

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

/** The API server accepts 32768; this fits on a screen. */
const MAX_MESSAGE = 1024;

/** A message as a condition has it: escaped and cut. */
export function conditionMessage(message: string): string {
  return printable(message, MAX_MESSAGE);
}

/** Warnings that a status does not have yet. */
export function newWarnings(before: readonly JsonObject[], warnings: readonly Warning[]): readonly Warning[] {
  return warnings.filter(({ type, message }) => {
    const told = conditionMessage(message);
    return !before.some((condition) => condition.type === type && condition.message === told);
  });
}
