import { SyncError } from "../errors.ts";
import type { VaultAuthSpec } from "./vault-auth.ts";
import type { VaultConnectionSpec } from "./vault-connection.ts";

/**
 * Unsupported features: the sync is parked with a message, and nothing is done by half. These harmless fields are
 * ignored instead: storageEncryption (no token is cached in the cluster), params (VSO does not send them either).
 */

function unsupported(subject: string, fields: readonly string[], because: string): SyncError {
  return new SyncError("UNSUPPORTED", `${subject}: ${fields.join(", ")} ${because}`);
}

/**
 * Parts of a VaultAuth that only work inside the cluster. Only VaultAuths of the operator's namespace may use the
 * identity of keyferry's own process: the whole fleet shares it, and authors of VaultAuths and VaultConnections
 * elsewhere could send it to their own servers.
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

/** Parts of a VaultConnection that only work inside the cluster. */
export function unsupportedInConnection(subject: string, connection: VaultConnectionSpec): SyncError | undefined {
  if (!connection.caCertPath || connection.skipTLSVerify) return undefined;
  const because = "is a file on an operator's disk, which does not exist outside the cluster: use caCertSecretRef";
  return unsupported(subject, ["spec.caCertPath"], because);
}
