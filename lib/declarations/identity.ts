import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { parseDuration } from "../duration.ts";
import { SyncError } from "../errors.ts";
import { type ObjectRef, parseObjectRef } from "../names.ts";
import type { ClusterSettings, CredentialRef, VaultIdentity, VaultTarget } from "../reconcile/ports.ts";
import { normalAddress } from "../vault-address.ts";
import { loginMethod } from "./login-method.ts";
import { type Found, invalidReference, type LookUp, versionOf } from "./look-up.ts";
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

function targetOf(
  connection: Found<"VaultConnection">,
  caRef: CaRef | undefined,
  cluster: ClusterSettings,
): VaultTarget {
  const { spec } = connection;
  return {
    address: normalAddress(cluster.vault?.address ?? spec.address),
    headers: spec.headers ?? {},
    ...(spec.tlsServerName ? { tlsServerName: spec.tlsServerName } : {}),
    ...(caRef ? { caRef } : {}),
    skipTlsVerify: spec.skipTLSVerify,
    timeoutMs: Math.min(parseDuration(spec.timeout ?? "0s") || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS),
  };
}

type CaRef = NonNullable<VaultTarget["caRef"]>;

function caRefOf(
  lookup: LookUp,
  { spec }: Found<"VaultConnection">,
  at: ObjectRef,
  cluster: string,
): CaRef | undefined {
  const { caCertSecretRef: name, skipTLSVerify } = spec;
  if (!name) return undefined;
  const ref = { kind: "secret", cluster, namespace: at.namespace, name, key: "ca.crt" } as const;
  return skipTLSVerify ? ref : noted(lookup, ref);
}

/** A Secret that is read later, with its version where that is known. */
function noted<T extends CredentialRef & { kind: "secret" }>(lookup: LookUp, ref: T): T {
  const version = lookup.note("Secret", { namespace: ref.namespace, name: ref.name });
  return version === undefined ? ref : { ...ref, version };
}

function withVersion(lookup: LookUp, method: VaultIdentity["method"]): VaultIdentity["method"] {
  const { credential } = method;
  return credential.kind === "secret" ? { ...method, credential: noted(lookup, credential) } : method;
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
  return resolveConnectionAt(lookup, place, why, cluster);
}

/** The VaultConnection at this place, with the fleet's overrides. */
export function resolveConnectionAt(lookup: LookUp, place: ObjectRef, why: string, cluster: ClusterSettings) {
  const connection = lookup.find("VaultConnection", place, why);
  const caRef = caRefOf(lookup, connection, place, cluster.name);
  const unsupported = unsupportedInConnection(connection.subject, connection.spec);
  if (unsupported) throw unsupported;
  return { connection, target: targetOf(connection, caRef, cluster) };
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
  const found = loginMethod(auth.spec, { cluster: cluster.name, namespace });
  if (!("kind" in found)) throw invalidReference(auth.subject, found);
  const method = withVersion(lookup, found);
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
