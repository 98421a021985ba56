import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { parseDuration } from "../duration.ts";
import { SyncError } from "../errors.ts";
import { type ObjectRef, parseObjectRef } from "../names.ts";
import type { ClusterSettings, Reference, VaultIdentity, VaultTarget } from "../reconcile/ports.ts";
import { normalAddress } from "../vault-address.ts";
import { loginMethod } from "./login-method.ts";
import { type Found, invalidReference, type LookUp } from "./look-up.ts";
import { unsupportedInAuth, unsupportedInConnection } from "./unsupported.ts";

/**
 * For one request, when a VaultConnection does not say, and at most. VSO's client waits for 60 s (reference 2.2); in that
 * time a Vault that accepts connections and answers nothing would hold up the syncs of others.
 */
const DEFAULT_TIMEOUT_MS = 8 * SECOND_MS;
const MAX_TIMEOUT_MS = 60 * SECOND_MS;

/** A mount, path or Vault namespace without the slash that may stand at either end. */
export function trimSlashes(text: string): string {
  return text.replace(/^\//, "").replace(/\/$/, "");
}

/** Where `name` stands for: the operator's `default` when it is empty (reference 11.1). */
export function referTo(text: string | undefined, namespace: string, operatorNamespace: string): ObjectRef {
  const ref = parseObjectRef(text ?? "", { namespace: operatorNamespace, name: "default" }, namespace);
  // Parsing checked it already.
  if (ref === undefined) throw new SyncError("SPEC_INVALID", "a reference is an invalid name");
  return ref;
}

function because(field: string, text: string | undefined): string {
  return text ? `named by ${field}` : `${field} is empty, so the default in the operator's namespace counts`;
}

/** Who may use a VaultAuth: reference 11.2, to the letter. */
function mustBeAllowed(auth: Found<"VaultAuth">, at: ObjectRef, namespace: string, operatorNamespace: string): void {
  const allowed = auth.spec.allowedNamespaces ?? [];
  const isSameNamespace = at.namespace === namespace;
  const isOperatorsDefault = at.namespace === operatorNamespace && at.name === "default";
  const isForAll = allowed.length === 1 && allowed[0] === "*";
  if (isSameNamespace || isOperatorsDefault || isForAll || allowed.includes(namespace)) return;
  throw new SyncError(
    "REFERENCE_NOT_ALLOWED",
    `${auth.subject} does not allow namespace ${namespace}: add it to its spec.allowedNamespaces, or use another VaultAuth`,
  );
}

function versionOf(object: Reference): string {
  return `${object.uid}/${object.hash}`;
}

function targetOf(connection: Found<"VaultConnection">, at: ObjectRef, cluster: ClusterSettings): VaultTarget {
  const { spec } = connection;
  return {
    address: normalAddress(cluster.vault?.address ?? spec.address),
    headers: spec.headers ?? {},
    ...(spec.tlsServerName ? { tlsServerName: spec.tlsServerName } : {}),
    ...(spec.caCertSecretRef
      ? {
          caRef: {
            kind: "secret",
            cluster: cluster.name,
            namespace: at.namespace,
            name: spec.caCertSecretRef,
            key: "ca.crt",
          },
        }
      : {}),
    skipTlsVerify: spec.skipTLSVerify,
    timeoutMs: Math.min(parseDuration(spec.timeout ?? "0s") || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
  };
}

/** The mount that is logged in at. The fleet's override is for logins by a cluster's own tokens: an AppRole has no cluster. */
function mountOf(auth: Found<"VaultAuth">, cluster: ClusterSettings): string {
  const override = auth.spec.method === "appRole" ? undefined : cluster.vault?.authMount;
  const mount = trimSlashes(override ?? auth.spec.mount ?? "");
  if (mount === "") throw invalidReference(auth.subject, [{ path: ["mount"], message: "required" }]);
  return mount;
}

function resolveConnection(lookup: LookUp, auth: Found<"VaultAuth">, at: ObjectRef, cluster: ClusterSettings) {
  const { vaultConnectionRef } = auth.spec;
  const place = referTo(vaultConnectionRef, at.namespace, cluster.operatorNamespace);
  const why = because(`spec.vaultConnectionRef of ${auth.subject}`, vaultConnectionRef);
  const connection = lookup.find("VaultConnection", place, why);
  if (connection.spec.caCertSecretRef && !connection.spec.skipTLSVerify) {
    lookup.note("Secret", { namespace: place.namespace, name: connection.spec.caCertSecretRef });
  }
  const unsupported = unsupportedInConnection(connection.subject, connection.spec);
  if (unsupported) throw unsupported;
  return { connection, target: targetOf(connection, place, cluster) };
}

/** How a resource in this namespace logs in: VaultAuth, VaultConnection and the fleet's overrides together (reference 11). */
export function resolveIdentity(
  lookup: LookUp,
  vaultAuthRef: string | undefined,
  namespace: string,
  cluster: ClusterSettings,
): VaultIdentity {
  const at = referTo(vaultAuthRef, namespace, cluster.operatorNamespace);
  const auth = lookup.find("VaultAuth", at, because("spec.vaultAuthRef", vaultAuthRef));
  mustBeAllowed(auth, at, namespace, cluster.operatorNamespace);
  const unsupported = unsupportedInAuth(auth.subject, auth.spec);
  if (unsupported) throw unsupported;
  const method = loginMethod(auth.spec, { cluster: cluster.name, namespace });
  if (!("kind" in method)) throw invalidReference(auth.subject, method);
  if (method.credential.kind === "secret") lookup.note("Secret", { namespace, name: method.credential.name });
  const mount = mountOf(auth, cluster);
  const { connection, target } = resolveConnection(lookup, auth, at, cluster);
  const vaultNamespace = trimSlashes(auth.spec.namespace ?? "");
  return {
    id: fingerprint(
      cluster.name,
      versionOf(auth.object),
      versionOf(connection.object),
      namespace,
      method.credential.kind,
      method.credential.name,
      target.address,
      mount,
    ),
    target,
    ...(vaultNamespace === "" ? {} : { namespace: vaultNamespace }),
    mount,
    headers: auth.spec.headers ?? {},
    method,
  };
}
