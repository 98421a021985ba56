import { SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { parseDuration } from "../duration.ts";
import { SyncError } from "../errors.ts";
import type { ObjectRef } from "../names.ts";
import type { CredentialRef } from "../ports/credentials.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { AwsMethod, VaultIdentity, VaultTarget } from "../ports/vault.ts";
import { canonical } from "../util/canonical.ts";
import { normalAddress } from "../vault-address.ts";
import { type FoundAuth, findAuth } from "./find-auth.ts";
import { vaultAt, withLentIdentity } from "./lent-identity.ts";
import { loginMethod, needsAudience } from "./login-method.ts";
import {
  because,
  type Found,
  invalidReference,
  type LookUp,
  mustBeOperators,
  type Noted,
  referTo,
  versionOf,
} from "./look-up.ts";
import { unsupportedInConnection } from "./unsupported.ts";

/**
 * The default time-out of a request, and the maximum. VSO's client waits for 60 s; for so long a Vault that accepts
 * connections and never answers would delay the syncs of others.
 */
const DEFAULT_TIMEOUT_MS = 8 * SECOND_MS;
const MAX_TIMEOUT_MS = 60 * SECOND_MS;

/** A mount, path or Vault namespace without slashes at its ends. */
export function trimSlashes(text: string): string {
  return text.replace(/^\//, "").replace(/\/$/, "");
}

function timeoutOf(text: string | undefined): number {
  return Math.min(parseDuration(text) || DEFAULT_TIMEOUT_MS, MAX_TIMEOUT_MS);
}

function targetOf(
  connection: Found<"VaultConnection">,
  caRef: CaRef | undefined,
  cluster: ClusterSettings,
): VaultTarget {
  const { spec } = connection;
  const address = normalAddress(cluster.vault?.address ?? spec.address);
  const known = vaultAt(cluster, address);
  return {
    address,
    cluster: cluster.name,
    connection: nameOf(connection),
    headers: spec.headers ?? {},
    ...(spec.tlsServerName ? { tlsServerName: spec.tlsServerName } : {}),
    ...(caRef ? { caRef } : known?.caFile === undefined ? {} : { caOf: known.name }),
    skipTlsVerify: spec.skipTLSVerify,
    timeoutMs: timeoutOf(spec.timeout),
  };
}

function nameOf({ subject }: Found<"VaultConnection">): string {
  return subject.replace("VaultConnection ", "");
}

/**
 * The Vault that fleet.yaml names for the cluster. Where it is and what proves that it is Vault are fleet.yaml's alone;
 * a VaultConnection, if there is one, adds headers and a time-out.
 */
function namedTarget(connection: Found<"VaultConnection"> | undefined, cluster: ClusterSettings): VaultTarget {
  const named = cluster.vaults?.find(({ name }) => name === cluster.vault?.name);
  const [address] = named?.addresses ?? [];
  if (named === undefined || address === undefined) {
    const message = `vault.name of cluster ${cluster.name} is not the name of one of vaults in fleet.yaml: correct it`;
    throw new SyncError("REFERENCE_INVALID", message);
  }
  return {
    address,
    cluster: cluster.name,
    ...(connection === undefined ? {} : { connection: nameOf(connection) }),
    headers: connection?.spec.headers ?? {},
    ...(named.caFile === undefined ? {} : { caOf: named.name }),
    skipTlsVerify: false,
    timeoutMs: timeoutOf(connection?.spec.timeout),
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

/** Notes a Secret that is read later, with its version if that is known. */
function noted<T extends CredentialRef & { kind: "secret" }>(lookup: LookUp, ref: T): T {
  const seen = noteSecret(lookup, ref);
  return seen === undefined ? ref : { ...ref, version: seen.version };
}

type Method = VaultIdentity["method"];

function noteSecret(lookup: LookUp, { namespace, name }: ObjectRef): Noted | undefined {
  return lookup.note("Secret", { namespace, name });
}

/** Notes the Secret with the login's credentials, if there is one. */
function withVersion(lookup: LookUp, method: Method): Method {
  const { credential } = method;
  return credential.kind === "secret" ? ({ ...method, credential: noted(lookup, credential) } as Method) : method;
}

/**
 * The versions that this login has because its Secret is gone: none while it exists, or is not followed. So the token
 * that the Secret gave is nobody's any more, and the next login says what is missing.
 */
function goneOf(lookup: LookUp, { credential }: Method): readonly string[] {
  const seen = credential.kind === "secret" ? noteSecret(lookup, credential) : undefined;
  return seen?.isGone ? [seen.version] : [];
}

/** The mount of the login. The fleet's override applies only to logins by the cluster's own tokens. */
function mountOf({ spec, subject }: FoundAuth, { kind }: Method, cluster: ClusterSettings): string {
  const override = kind === "kubernetes" || kind === "jwt" ? cluster.vault?.authMount : undefined;
  const mount = trimSlashes(override ?? spec.mount ?? "");
  if (mount === "") throw invalidReference(subject, [{ path: ["mount"], message: "required" }]);
  return mount;
}

function resolveConnection(lookup: LookUp, auth: FoundAuth, cluster: ClusterSettings) {
  const { vaultConnectionRef } = auth.spec;
  const place = referTo(vaultConnectionRef, auth.at.namespace, cluster.operatorNamespace);
  if (cluster.vault?.name !== undefined) return namedConnection(lookup, place, !vaultConnectionRef, cluster);
  const why = because(`spec.vaultConnectionRef of ${auth.subject}`, vaultConnectionRef);
  const resolved = resolveConnectionAt(lookup, place, why, cluster);
  if (!vaultConnectionRef) mustBeOperators(resolved.connection);
  return resolved;
}

/** A default in a namespace that may not be the operator's adds nothing. */
function namedConnection(lookup: LookUp, place: ObjectRef, isDefault: boolean, cluster: ClusterSettings) {
  const found = lookup.findIfAny("VaultConnection", place);
  const connection = isDefault && found?.object.isStranger === true ? undefined : found;
  return { connection, target: namedTarget(connection, cluster) };
}

/** The VaultConnection at this place, with the fleet's overrides. */
export function resolveConnectionAt(lookup: LookUp, place: ObjectRef, why: string, cluster: ClusterSettings) {
  const connection = lookup.find("VaultConnection", place, why);
  if (cluster.vault?.name !== undefined) return { connection, target: namedTarget(connection, cluster) };
  const caRef = caRefOf(lookup, connection, place, cluster.name);
  const unsupported = unsupportedInConnection(connection.subject, connection.spec);
  if (unsupported) throw unsupported;
  return { connection, target: targetOf(connection, caRef, cluster) };
}

/**
 * The same id for equal logins, so that they share a token. It leaves out the versions of Secrets that exist: a token
 * stays valid when its credential is replaced.
 */
function idOf(cluster: string, versions: readonly string[], identity: Omit<VaultIdentity, "id">): string {
  const { target, namespace = "", mount, headers, method } = identity;
  const { credential, ...rest } = method;
  const { version: _version, ...place }: typeof credential & { readonly version?: string } = credential;
  return fingerprint(cluster, ...versions, target.address, namespace, mount, canonical({ headers, place, rest }));
}

/** How a resource in this namespace logs in, by its VaultAuth, VaultAuthGlobal, VaultConnection and the fleet. */
export function resolveIdentity(
  lookup: LookUp,
  vaultAuthRef: string | undefined,
  namespace: string,
  cluster: ClusterSettings,
): VaultIdentity {
  return identityBy(findAuth(lookup, vaultAuthRef, namespace, cluster), lookup, namespace, cluster);
}

/** Only AWS has an identity for the process. */
function isOurs(method: Method): method is AwsMethod {
  return method.credential.kind === "process";
}

/** The same, for a VaultAuth that is already found. */
export function identityBy(
  auth: FoundAuth,
  lookup: LookUp,
  namespace: string,
  cluster: ClusterSettings,
): VaultIdentity {
  const found = loginMethod(auth.spec, { cluster, namespace });
  if (!("kind" in found)) {
    throw invalidReference(auth.subject, found, needsAudience(found) ? { lacks: "audience" } : {});
  }
  const declared = withVersion(lookup, found);
  const mount = mountOf(auth, declared, cluster);
  const { connection, target: theirs } = resolveConnection(lookup, auth, cluster);
  const { method, target } = isOurs(declared)
    ? withLentIdentity(cluster, { subject: auth.subject, method: declared, mount, target: theirs })
    : { method: declared, target: theirs };
  const vaultNamespace = trimSlashes(auth.spec.namespace || (vaultAt(cluster, target.address)?.namespace ?? ""));
  const identity = {
    target: { ...target, place: `${cluster.name}/${namespace}` },
    ...(vaultNamespace === "" ? {} : { namespace: vaultNamespace }),
    mount,
    headers: auth.spec.headers ?? {},
    method,
  };
  const versions = [auth.object, ...(connection === undefined ? [] : [connection.object])].map(versionOf);
  return { id: idOf(cluster.name, [...versions, ...goneOf(lookup, method)], identity), ...identity };
}
