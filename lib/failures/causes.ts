import { fingerprint } from "../digest.ts";
import type { ErrorCode, SyncError } from "../errors.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { loginId } from "../ports/vault-ids.ts";
import { canonical } from "../util/canonical.ts";

/**
 * What a failure waits for. Syncs that wait for the same thing wait together, and one of them asks for all.
 * - `connection`: how its VaultConnection reaches Vault.
 * - `identity`: the login, as its VaultAuth says.
 * - `read`: this path, read with this login.
 * - `named`: what the message names, such as a permission in a namespace, or an object.
 * - `namespace`: something of the sync's whole namespace.
 * - `destination`: this Secret. Each sync looks at it itself: that one of them gets it is no good news for the others.
 * Codes that are not here are the business of one sync alone, or say nothing that holds for another one.
 */
type Awaited = "connection" | "identity" | "read" | "named" | "namespace" | "destination";

const AWAITED: Readonly<Partial<Record<ErrorCode, Awaited>>> = {
  VAULT_TLS_REFUSED: "connection",
  VAULT_LOGIN_REFUSED: "identity",
  CLOUD_UNAVAILABLE: "identity",
  VAULT_DENIED: "read",
  VAULT_PATH_MISSING: "read",
  VAULT_ANSWER_INVALID: "read",
  VAULT_FAILED: "read",
  KUBE_DENIED: "named",
  KUBE_LOGIN_REFUSED: "named",
  KUBE_TLS_REFUSED: "named",
  KUBE_ANSWER_INVALID: "named",
  NAMESPACE_MISSING: "named",
  REFERENCE_MISSING: "named",
  REFERENCE_INVALID: "named",
  REFERENCE_NOT_ALLOWED: "named",
  QUOTA_EXCEEDED: "namespace",
  SECRET_NOT_OURS: "destination",
  SECRET_MISSING: "destination",
  SECRET_IMMUTABLE: "destination",
  SECRET_TERMINATING: "destination",
  SECRET_TYPE_DIFFERS: "destination",
  DESTINATION_UNSETTLED: "destination",
};

/** Failures that change nothing about an earlier wait, which continues. */
const SAYS_NOTHING: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "VAULT_UNAVAILABLE",
  "VAULT_SEALED",
  "VAULT_THROTTLED",
  "KUBE_UNREACHABLE",
  "KUBE_THROTTLED",
  "DEADLINE_EXCEEDED",
  "STORE_UNAVAILABLE",
]);

/** Possible only after Vault was read, so earlier obstacles to the read are gone. */
const AFTER_READ: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "SECRET_REFUSED",
  "SECRET_TOO_LARGE",
  "TRANSFORM_FAILED",
  "QUOTA_EXCEEDED",
  "SECRET_NOT_OURS",
  "SECRET_MISSING",
  "SECRET_IMMUTABLE",
  "SECRET_TERMINATING",
  "SECRET_TYPE_DIFFERS",
  "DESTINATION_UNSETTLED",
]);

/**
 * Code and fingerprint of what a failure waits for: `VAULT_PATH_MISSING:6f1c…`. Equal for all syncs that wait for the
 * same.
 */
export type Cause = string;

/** An identity and a request to a Vault: syncs with the same id get the same answer. */
export interface AskedOf {
  readonly identity: VaultIdentity;
  readonly id: string;
}

/** The resolved parts of a sync that causes depend on. */
export interface CausePlace {
  readonly cluster: string;
  readonly namespace: string;
  /** Missing while its references can't be resolved. */
  readonly asks?: AskedOf;
  readonly destination?: string;
}

/** The cause of this failure; undefined when it concerns no other sync. */
export function causeOf({ code, message }: Pick<SyncError, "code" | "message">, place: CausePlace): Cause | undefined {
  const { cluster, namespace, asks, destination } = place;
  switch (AWAITED[code]) {
    case "connection":
    case "identity":
    case "read":
      return asks && causeAhead(code, cluster, asks);
    case "named":
      return named(code, cluster, message);
    case "namespace":
      return named(code, cluster, namespace);
    case "destination":
      return destination === undefined ? undefined : named(code, cluster, namespace, destination);
    default:
      return undefined;
  }
}

function named(code: ErrorCode, ...parts: readonly string[]): Cause {
  return `${code}:${fingerprint(...parts)}`;
}

function causeAhead(code: ErrorCode, cluster: string, { identity, id }: AskedOf): Cause {
  if (AWAITED[code] === "connection") return named(code, cluster, canonical({ ...identity.target }));
  return named(code, AWAITED[code] === "identity" ? loginId(identity) : id);
}

/** Failures that any run may meet before it has its data. */
const ON_THE_WAY = [
  "VAULT_TLS_REFUSED",
  "CLOUD_UNAVAILABLE",
  "VAULT_LOGIN_REFUSED",
  "VAULT_DENIED",
  "VAULT_PATH_MISSING",
  "VAULT_ANSWER_INVALID",
  "VAULT_FAILED",
] as const satisfies readonly ErrorCode[];

/** The causes that a sync may meet before it has its data: they depend only on what it reads. */
export function causesAhead({ cluster, asks }: CausePlace): readonly Cause[] {
  return asks === undefined ? [] : ON_THE_WAY.map((code) => causeAhead(code, cluster, asks));
}

/** The code of the failure behind a cause. */
export function codeOfCause(cause: Cause): ErrorCode {
  return cause.slice(0, cause.indexOf(":")) as ErrorCode;
}

/** Whether it depends only on what a sync reads. */
export function isAhead(cause: Cause): boolean {
  return (ON_THE_WAY as readonly ErrorCode[]).includes(codeOfCause(cause));
}

/** Whether one sync checks it for all; otherwise each checks for itself. */
export function isShared(cause: Cause): boolean {
  return AWAITED[codeOfCause(cause)] !== "destination";
}

/** Which of the causes ahead are resolved after a run with this result (undefined: success). */
export function mendedAhead(code: ErrorCode | undefined, ahead: readonly Cause[]): readonly Cause[] {
  if (code === undefined || AFTER_READ.has(code)) return ahead;
  // Vault accepted the login and answered the read, with this code and no other.
  if (code === "VAULT_DENIED" || code === "VAULT_PATH_MISSING") {
    return ahead.filter((cause) => codeOfCause(cause) !== code);
  }
  return [];
}

/** Whether an earlier wait continues after this failure. */
export function saysNothing(code: ErrorCode): boolean {
  return SAYS_NOTHING.has(code);
}
