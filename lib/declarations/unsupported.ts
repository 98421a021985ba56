import { SyncError } from "../errors.ts";
import type { VaultAuthSpec } from "./vault-auth.ts";
import type { VaultConnectionSpec } from "./vault-connection.ts";

/**
 * What is declared and can't be carried out: the sync is parked with a message rather than done in half.
 * Fields that do no harm when they are left aside are not named here: syncConfig.instantUpdates (Vault is asked as often as
 * refreshAfter says, and a warning tells), storageEncryption (tokens are never cached in the cluster), params (VSO does not send them either).
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

/**
 * What a VaultAuth may say that nothing outside the cluster can follow. The identity of keyferry's own process is lent to
 * VaultAuths of the operator's namespace alone: it is one for the whole fleet, and who may write a VaultAuth and a
 * VaultConnection elsewhere could have it sent to a server of their own.
 */
export function unsupportedInAuth(subject: string, auth: VaultAuthSpec, isOperators: boolean): SyncError | undefined {
  const { method, appRole, aws, gcp } = auth;
  if (method === "appRole" && appRole?.secretIDPath) {
    const because = "is a file on an operator's disk, which does not exist outside the cluster: use secretRef";
    return unsupported(subject, ["spec.appRole.secretIDPath"], because);
  }
  if (method === "aws" && !isOperators && aws?.role && !aws.secretRef && !aws.irsaServiceAccount) {
    const because =
      "without secretRef or irsaServiceAccount means the role of a node, which does not exist outside the cluster; keyferry's own role is for VaultAuths in the operator's namespace alone";
    return unsupported(subject, ["spec.aws"], because);
  }
  if (method === "gcp" && gcp?.role && gcp.workloadIdentityServiceAccount) {
    const missing = (["region", "clusterName", "projectID"] as const).filter((field) => !gcp[field]);
    const fields = missing.map((field) => `spec.gcp.${field}`);
    const because = "would be read from a node's metadata server, which does not exist outside the cluster: set it";
    return fields.length > 0 ? unsupported(subject, fields, because) : undefined;
  }
  return undefined;
}

/** What a VaultConnection may say that has no meaning outside the cluster. */
export function unsupportedInConnection(subject: string, connection: VaultConnectionSpec): SyncError | undefined {
  if (!connection.caCertPath || connection.skipTLSVerify) return undefined;
  const because = "is a file on an operator's disk, which does not exist outside the cluster: use caCertSecretRef";
  return unsupported(subject, ["spec.caCertPath"], because);
}
