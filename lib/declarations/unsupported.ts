import { SyncError } from "../errors.ts";
import type { VaultAuthSpec } from "./vault-auth.ts";
import type { VaultConnectionSpec } from "./vault-connection.ts";
import type { VaultStaticSecretSpec } from "./vault-static-secret.ts";

/**
 * What is declared and can't be carried out: the sync is parked with a message rather than done in half.
 * Fields that do no harm when they are left aside are not named here: syncConfig.instantUpdates (Vault is asked as often as
 * refreshAfter says), storageEncryption (tokens are never cached in the cluster), params (VSO does not send them either).
 */

function unsupported(subject: string, fields: readonly string[], because: string): SyncError {
  return new SyncError("UNSUPPORTED", `${subject}: ${fields.join(", ")} ${because}`);
}

/** Kinds that are known and not carried out by this version. */
export function unsupportedKind(kind: string): SyncError {
  return unsupported(
    "not carried out",
    [kind],
    "is not supported by this version of keyferry; nothing was read or written",
  );
}

function isFilled(value: readonly unknown[] | undefined): boolean {
  return value !== undefined && value.length > 0;
}

/** Fields of a VaultStaticSecret that this version does not carry out. */
export function unsupportedIn(spec: VaultStaticSecretSpec): SyncError | undefined {
  const fields = isFilled(spec.rolloutRestartTargets) ? ["spec.rolloutRestartTargets"] : [];
  if (fields.length === 0) return undefined;
  const because = "not supported by this version of keyferry; nothing is written, since a part of it would be missing";
  return unsupported("not carried out", fields, because);
}

/** What a VaultAuth may say that this version, or anything outside the cluster, can't follow. */
export function unsupportedInAuth(subject: string, auth: VaultAuthSpec): SyncError | undefined {
  if (auth.vaultAuthGlobalRef !== undefined) {
    return unsupported(subject, ["spec.vaultAuthGlobalRef"], "is not supported by this version of keyferry");
  }
  if (auth.method === "aws" || auth.method === "gcp") {
    return unsupported(subject, [`spec.method ${auth.method}`], "is not supported by this version of keyferry");
  }
  if (auth.method === "appRole" && auth.appRole?.secretIDPath) {
    const because = "is a file on an operator's disk, which does not exist outside the cluster: use secretRef";
    return unsupported(subject, ["spec.appRole.secretIDPath"], because);
  }
  return undefined;
}

/** What a VaultConnection may say that has no meaning outside the cluster. */
export function unsupportedInConnection(subject: string, connection: VaultConnectionSpec): SyncError | undefined {
  if (!connection.caCertPath || connection.skipTLSVerify) return undefined;
  const because = "is a file on an operator's disk, which does not exist outside the cluster: use caCertSecretRef";
  return unsupported(subject, ["spec.caCertPath"], because);
}
