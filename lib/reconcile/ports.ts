/**
 * What the core asks of the world. Adapters (vault/, kubernetes/, leases/) implement these interfaces and know nothing else of the core.
 * Every method throws a SyncError with a code on failure, and ends when its signal does.
 */
import type { EpochMs } from "../clock.ts";
import type { ErrorCode, SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { LosslessObject, LosslessValue } from "../lossless.ts";
import type { SecretData } from "../secret-value.ts";
import type { FleetVault } from "./fleet-vault.ts";
import type { Json, JsonObject, Lane } from "./row.ts";
import type { TokenKeeper } from "./token-store.ts";

export type * from "./cluster-store.ts";
export type * from "./fleet-vault.ts";
export type * from "./lease-store.ts";
export { EXPECTED_MS, TARGET_KEPT_MS } from "./lease-store.ts";
export type * from "./row.ts";
export { EMPTY_STATE, MAX_ISSUES, ownsNothing, pushPlace, refsOf } from "./row.ts";
export type * from "./token-store.ts";
export type * from "./workload.ts";

// ---------------------------------------------------------------- work

/** Which keys, never what: late, twice and out of order are all harmless. Up to 25 keys, grouped by what they read. */
export interface WorkMessage {
  readonly keys: readonly SyncKey[];
  readonly lane: Lane;
  /** When the work is to start. */
  readonly at: EpochMs;
  /** Instead of keys: the id of the circuit that is to be probed. An engine that looks for due probes itself may drop it. */
  readonly probe?: string;
  /** Instead of keys: tokens of this cluster, or of all, that no sync needs any more are to be ended. */
  readonly tokens?: { readonly cluster?: string };
}

export interface WorkQueue {
  /** Resolves when every message was accepted. */
  send(messages: readonly WorkMessage[]): Promise<void>;
}

// ---------------------------------------------------------------- Vault

/** How to reach one Vault. */
export interface VaultTarget {
  readonly address: string;
  /** `<cluster>/<namespace>` of the declaration that asks: what one namespace asks for leaves room for the others. */
  readonly place?: string;
  /** Whose resources name it: fleet.yaml says for each cluster which Vaults these may name. */
  readonly cluster?: string;
  /** `namespace/name` of the VaultConnection that says so: a label of metrics. */
  readonly connection?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tlsServerName?: string;
  readonly caPem?: string;
  /** Where caPem comes from, until the core has fetched it. */
  readonly caRef?: CredentialRef & { readonly kind: "secret" };
  /** The same where fleet.yaml says it: name of the Vault whose caFile is trusted. */
  readonly caOf?: string;
  readonly skipTlsVerify: boolean;
  /** Per request, in ms. */
  readonly timeoutMs: number;
}

/** A service account token or a Secret's key in one cluster; fetched when a login needs it. */
export type CredentialRef =
  | {
      readonly kind: "serviceAccount";
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      readonly audiences: readonly string[];
      readonly expirationSeconds: number;
    }
  | {
      readonly kind: "secret";
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      readonly key: string;
      /** Another one when the Secret changed; missing where that is not followed. */
      readonly version?: string;
    };

/** What a login proves itself with: something of a cluster, or the cloud identity of this very process (aws alone). */
export type LoginCredential = CredentialRef | { readonly kind: "process" };

/** What a login to an AWS mount needs; what is missing has the default of VSO. */
export interface AwsMethod {
  readonly kind: "aws";
  readonly role: string;
  /** A Secret: its keys are AWS's own. A service account: the IAM role that it is annotated with. */
  readonly credential: LoginCredential;
  readonly region?: string;
  readonly headerValue?: string;
  readonly sessionName?: string;
  readonly stsEndpoint?: string;
}

/** What a login to a GCP mount needs: the service account is annotated with a Google service account. */
export interface GcpMethod {
  readonly kind: "gcp";
  readonly role: string;
  readonly credential: CredentialRef & { readonly kind: "serviceAccount" };
  readonly region: string;
  readonly clusterName: string;
  readonly projectID: string;
}

/** How to log in. `id` changes whenever what is logged in with does: one token each. */
export interface VaultIdentity {
  readonly id: string;
  readonly target: VaultTarget;
  /** Vault namespace of the login. */
  readonly namespace?: string;
  readonly mount: string;
  /** Of the login alone. */
  readonly headers: Readonly<Record<string, string>>;
  readonly method:
    | { readonly kind: "kubernetes" | "jwt"; readonly role: string; readonly credential: CredentialRef }
    | { readonly kind: "appRole"; readonly roleId: string; readonly credential: CredentialRef }
    | AwsMethod
    | GcpMethod;
}

export interface VaultRead {
  readonly identity: VaultIdentity;
  /** The sync that asks: a token that is obtained for nobody is not kept beyond this process. */
  readonly by?: SyncKey;
  /** A refusal that is remembered from before is not believed: someone asked since. */
  readonly since?: EpochMs;
  /** Vault namespace of the read; the identity's when missing. */
  readonly namespace?: string;
  readonly mount: string;
  readonly path: string;
  readonly engine: "kv-v1" | "kv-v2";
  /** kv-v2 only; 0 is the latest. */
  readonly version: number;
  /** kv-v2 only: a version that was deleted or destroyed is one without fields, and no error. */
  readonly followDeleted?: boolean;
}

/** What a path held. Numbers are as Vault wrote them. */
export interface SourceData {
  /** The whole `data` object of the answer: `_raw` is made of it. */
  readonly response: LosslessValue;
  /** kv-v1: `data`; kv-v2: `data.data`. */
  readonly fields: ReadonlyMap<string, LosslessValue>;
  /** kv-v2 only. */
  readonly version?: { readonly number: number; readonly createdTime: string };
}

export interface VaultEnd {
  read(read: VaultRead, signal: AbortSignal): Promise<SourceData>;
  /**
   * One unauthenticated question whether anything answers there, and whether it is an unsealed Vault. It waits for nobody's
   * turn and follows no redirect. Throws VAULT_UNAVAILABLE or VAULT_SEALED, in words that name the address alone.
   */
  probe(target: VaultTarget, signal: AbortSignal): Promise<"unsealed" | "answered">;
  /** Whoever waits for a turn at the Vault that this is about fails with it. */
  giveUp(outage: SyncError): void;
  /** The same question, for a VaultConnection's status: a sealed Vault will do, and whatever else hinders it is thrown. */
  reach(target: VaultTarget, signal: AbortSignal): Promise<void>;
  /** Whether this Vault answered anybody within the last minute: who waits for it will hardly wait for long. */
  isKnown(target: VaultTarget): boolean;
  readonly tokens: TokenKeeper;
}

/** Gives logins what they need from clusters. */
export interface CredentialSource {
  credential(ref: CredentialRef, signal: AbortSignal): Promise<SecretCredential>;
  /** All keys of a Secret, as they were at one time. */
  secret(secret: NamedObject, signal: AbortSignal): Promise<SecretData>;
  /** A ServiceAccount's annotations: they name the cloud identity that it is bound to. */
  annotations(account: NamedObject, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
}
export interface SecretCredential {
  readonly value: import("../secret-value.ts").SecretValue;
  /** Missing for Secrets. */
  readonly expiresAt?: EpochMs;
}

// ---------------------------------------------------------------- templates

/** One template of a set; any may call another by its name. */
export interface TemplateSource {
  readonly name: string;
  /** The Secret's key that it fills; missing when it is only called by others. */
  readonly key?: string;
  readonly text: string;
}

/** What templates see as their dot. */
export interface TemplateInput {
  readonly secrets: LosslessObject;
  readonly metadata: LosslessObject;
  /** Of the declaration. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface Rendering {
  /** Rendered in this order; of two that fill the same key the last one counts. */
  readonly templates: readonly TemplateSource[];
  /** RE2, matched anywhere in the names of source fields: excludes first, then includes. */
  readonly includes: readonly string[];
  readonly excludes: readonly string[];
  readonly input: TemplateInput;
  /** `error`: a field that is not there is a failure. Else it is written as `<no value>`, as Go does, and named in `missing`. */
  readonly missingKey?: MissingKey;
}

export type MissingKey = "default" | "error";

export interface Rendered {
  readonly outputs: SecretData;
  /** Names of the source fields that the filters let through. */
  readonly fields: ReadonlySet<string>;
  /** Where templates wrote what is not there, by template and position: the first ten places. */
  readonly missing: readonly string[];
}

/** Bounded in time, memory and output. Throws TRANSFORM_FAILED, which names template and position and never a value. */
export interface TemplateEngine {
  render(rendering: Rendering, signal: AbortSignal): Promise<Rendered>;
}

// ---------------------------------------------------------------- Kubernetes

export interface NamedObject {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

/** A kind that we read: `resource` is its plural. */
export interface KindRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
}

export interface ResourceRef extends NamedObject {
  readonly kind: KindRef;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}

/** A Secret as it should be. */
export interface DesiredSecret {
  readonly type: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReference: OwnerReference;
  readonly data: SecretData;
}

/** A Secret as it was seen. */
export interface SeenSecret {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly type: string;
  readonly immutable: boolean;
  readonly deleting: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** With `controller` and `blockOwnerDeletion` when they were set. */
  readonly ownerReferences: readonly JsonObject[];
  readonly data: SecretData;
  readonly managed: ManagedFields;
  /** Names of labels and annotations that an apply of ours drops when it does not name them. */
  readonly ownMarks?: { readonly labels: readonly string[]; readonly annotations: readonly string[] };
}

/** What managedFields say of a Secret. */
export interface ManagedFields {
  /** Fingerprint of our entry and of the data keys that others own: another one is drift (kubernetes-rules 10). */
  readonly fingerprint: string;
  /** Do we own fields of it at all? */
  readonly ours: boolean;
  /** VSO's entry (the one that owns its owner label) is still there (kubernetes-rules 3). */
  readonly vso: boolean;
}

/** What a write demands of the Secret that it finds (kubernetes-rules 1, lease-table 6). */
export type Precondition =
  | { readonly kind: "absent" }
  | { readonly kind: "as-seen"; readonly uid: string; readonly resourceVersion: string };

export interface WrittenSecret {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly managed: ManagedFields;
  /** Data keys in the answer that are not ours. */
  readonly foreignKeys: readonly string[];
}

/** Throws KUBE_CONFLICT when the precondition does not hold, SECRET_TYPE_DIFFERS, SECRET_IMMUTABLE, and what kubernetes-rules 13 says. */
export interface SecretEnd {
  /**
   * `get`: one GET. `patch`: an empty merge patch, for identities that may not get (kubernetes-rules 9). `dry-run`: the same,
   * and nobody's admission plug-in can make a change of it. Undefined: absent.
   */
  look(secret: NamedObject, how: "get" | "patch" | "dry-run", signal: AbortSignal): Promise<SeenSecret | undefined>;
  /** Server-side apply of data, labels, annotations, owner reference and type. */
  apply(
    secret: NamedObject,
    desired: DesiredSecret,
    precondition: Precondition,
    signal: AbortSignal,
  ): Promise<WrittenSecret>;
  /** Removes data keys by a merge patch of nulls at this resourceVersion (kubernetes-rules 4). */
  dropKeys(
    secret: NamedObject,
    keys: readonly string[],
    resourceVersion: string,
    signal: AbortSignal,
  ): Promise<WrittenSecret>;
  /** Replaces the data of a Secret that is not ours (`create: false`), given its uid (kubernetes-rules 5). */
  replaceData(secret: NamedObject, uid: string, data: SecretData, signal: AbortSignal): Promise<WrittenSecret>;
  /** Moves VSO's managedFields entry to us, so that the next apply can drop keys and labels (kubernetes-rules 3). */
  takeOverFields(secret: NamedObject, resourceVersion: string, signal: AbortSignal): Promise<WrittenSecret>;
  /** Adds an owner reference to those that stand there, at the uid and resourceVersion that were looked at; answers the new resourceVersion. */
  standBeside(
    secret: NamedObject,
    owner: OwnerReference,
    seen: Pick<SeenSecret, "uid" | "resourceVersion">,
    signal: AbortSignal,
  ): Promise<string>;
  /** Takes the owner reference with this uid off, and leaves all others, as they were looked at. */
  dropOwner(
    secret: NamedObject,
    uid: string,
    seen: Pick<SeenSecret, "resourceVersion" | "ownerReferences">,
    signal: AbortSignal,
  ): Promise<void>;
  /** Deletes it, with preconditions; absent already is success; KUBE_CONFLICT when it changed. */
  remove(
    secret: NamedObject,
    seen: { readonly uid: string; readonly resourceVersion: string },
    signal: AbortSignal,
  ): Promise<void>;
  /** Names of the Secrets in a namespace that carry the label of this owner: one list, metadata only. */
  ownedNames(
    place: Pick<NamedObject, "cluster" | "namespace">,
    uid: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * The cluster's HMAC key of VSO, if it is there and may be read. Cached; that it is missing only when that was
   * seen after `madeAt`.
   */
  hmacKey(cluster: string, namespace: string, signal: AbortSignal, madeAt?: EpochMs): Promise<Buffer | undefined>;
  /** The same as it stands there now, and why it is no key. */
  findHmacKey(cluster: string, namespace: string, signal: AbortSignal): Promise<HmacKeyFound>;
  /** Makes it as VSO would (kubernetes-rules 21); one that is there already stays. */
  createHmacKey(cluster: string, namespace: string, key: Buffer, signal: AbortSignal): Promise<void>;
}

export type HmacKeyFound =
  | { readonly kind: "found"; readonly key: Buffer }
  | { readonly kind: "absent" }
  /** Not of 16 bytes, or it may not be read. */
  | { readonly kind: "unusable"; readonly why: string };

/** A custom resource as it was read. */
export interface SeenResource {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly spec: JsonObject;
  readonly status: JsonObject;
  /** Metadata-only reads of Secrets: who owns them. */
  readonly ownerReferences: readonly JsonObject[];
  readonly managed?: ManagedFields;
  /** Someone else wrote the status after us, or we never did (kubernetes-rules 24). */
  readonly statusBy?: StatusWrite;
  readonly namespace: string;
  readonly name: string;
}

/** A write of a status, by the name of the program and in the API server's time, to the second. */
export interface StatusWrite {
  readonly manager: string;
  readonly at: EpochMs;
}

export interface ResourceEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Custom resources: status, events, finalizers. */
export interface ResourceEnd {
  get(ref: ResourceRef, signal: AbortSignal): Promise<SeenResource | undefined>;
  /** Merge patch on the status subresource at this resourceVersion; answers the new one. KUBE_CONFLICT when it moved. */
  writeStatus(ref: ResourceRef, status: JsonObject, resourceVersion: string, signal: AbortSignal): Promise<string>;
  /** core/v1, create only (kubernetes-rules 18). A failure is logged, never thrown. */
  emit(ref: ResourceRef, uid: string, event: ResourceEvent, now: EpochMs, signal: AbortSignal): Promise<void>;
  /** Removes these finalizers if they are there; an absent resource is success. */
  removeFinalizers(ref: ResourceRef, finalizers: readonly string[], signal: AbortSignal): Promise<void>;
  /** Changes metadata alone; a resource that is absent, another one, or being deleted is left as it is. */
  change(ref: ResourceRef, uid: string, change: ResourceChange, signal: AbortSignal): Promise<void>;
}

export interface ResourceChange {
  readonly addFinalizers: readonly string[];
  /** Null takes one away. */
  readonly annotations: Readonly<Record<string, string | null>>;
}

export interface ListOptions {
  readonly metadataOnly: boolean;
  readonly labelSelector?: string;
  /** Missing: all namespaces. */
  readonly namespace?: string;
  /** Only the object of this name. */
  readonly name?: string;
  /** Items in a page; 500 when missing. */
  readonly limit?: number;
}

export interface ListPage {
  readonly items: readonly SeenResource[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: SeenResource }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }
  /** Too old a cursor (410), in whatever form it came (kubernetes-rules 12). */
  | { readonly type: "EXPIRED" };

/** What discovery asks of a cluster. */
export interface ClusterEnd {
  /** uid of the kube-system namespace. Also the probe of a cluster's circuit: throws KUBE_UNREACHABLE. */
  identity(cluster: string, signal: AbortSignal): Promise<string>;
  /** One page of at most 500. Undefined: the cluster does not have this kind (404 of the kind itself is never absence: lease-table 18). */
  list(
    cluster: string,
    kind: KindRef,
    options: ListOptions,
    page: string | undefined,
    signal: AbortSignal,
  ): Promise<ListPage | undefined>;
  /** Changes since, with bookmarks, for at most `seconds`; ends by itself. */
  watch(
    cluster: string,
    kind: KindRef,
    options: ListOptions,
    since: { readonly resourceVersion: string; readonly seconds: number },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent>;
  /** The uid of a namespace, empty when it is there and may not be read. Undefined: there is none. */
  namespaceUid(cluster: string, namespace: string, signal: AbortSignal): Promise<string | undefined>;
  /** The installation id that stands in a namespace (lease-table 25). */
  installation(
    cluster: string,
    namespace: string,
    signal: AbortSignal,
  ): Promise<InstallationMark | "absent" | "unreadable">;
  /** Writes ours, and answers the one that stands there then. Undefined when none may be written, or the namespace is gone. */
  markInstallation(
    cluster: string,
    namespace: string,
    id: string,
    signal: AbortSignal,
  ): Promise<InstallationMark | undefined>;
  /** The lease of VSO's leader election. Undefined when there is none, or when it may not be read. */
  vsoLease(cluster: string, namespace: string, signal: AbortSignal): Promise<VsoLease | undefined>;
}

/** The ConfigMap that tells installations apart. */
export interface InstallationMark {
  readonly id: string;
  readonly uid: string;
}

export interface VsoLease {
  /** Empty when it was given back. */
  readonly holder: string;
  readonly renewedAt: EpochMs;
  readonly durationMs: number;
}

// ---------------------------------------------------------------- what people see

/** One JSON line per event; event names are past tense. Fields never hold values. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}
export type LogFields = Readonly<Record<string, Json | undefined>>;

/** How one run of a sync, or of the status of something that syncs refer to, ended. */
export interface EndedRun {
  readonly key: SyncKey;
  readonly at: EpochMs;
  /** Missing: it is in step. */
  readonly code?: ErrorCode;
  /** How often it is declared to be refreshed, in ms; missing when that is not known, or only events bring it back. */
  readonly refreshAfterMs?: number;
}

/** Counters and histograms by name; the names stand in metrics.ts. */
export interface Metrics {
  /** Each run once, for those who show single syncs and count under the names of VSO's own metrics. */
  ran?(run: EndedRun): void;
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void;
  observe(name: string, labels: Readonly<Record<string, string>>, value: number): void;
}

// ---------------------------------------------------------------- the fleet

/** What the core needs to know of a cluster; how to connect to it is the adapters' business. */
export interface ClusterSettings {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly observe: "watch" | "apply";
  readonly namespaces: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  /** Where "default" VaultAuth and VaultConnection are looked up. */
  readonly operatorNamespace: string;
  /** The uid of that namespace, for one that was made after keyferry first looked at the cluster. */
  readonly operatorNamespaceUid?: string;
  /** Whether the key of VSO's MACs is made where a cluster has none; so when missing. */
  readonly makeHmacKey?: boolean;
  /** Overrides what the cluster's own VaultConnection and VaultAuth say, as seen from outside. */
  readonly vault?: {
    readonly address?: string;
    readonly authMount?: string;
    /** What becomes of a Secret whose kv-v2 version was deleted or destroyed; `retain` when missing. */
    readonly onDeleted?: "retain" | "follow";
    /** AWS's token service, in place of what VaultAuths say. */
    readonly stsEndpoint?: string;
    /** Identities of our own that this cluster's VaultAuths may log in with: `vault/identity`, by their names in `vaults`. */
    readonly identities?: readonly string[];
    /** Whether a service account's token has to be for an audience of its own. */
    readonly requireAudiences?: boolean;
  };
  /** The Vaults that fleet.yaml names, the same for all clusters. */
  readonly vaults?: readonly FleetVault[];
  /** Which Vaults its resources may name; `any` public or private host when missing. */
  readonly vaultAddresses?: "any" | "named";
  /** What VSO has as a flag of the operator: `excludeRaw` leaves `_raw` out of every Secret, whatever a declaration says. And what becomes of a field that a template names and that is not there. */
  readonly globalTransformationOptions?: { readonly excludeRaw: boolean; readonly missingKey?: MissingKey };
  /** Namespaces in which keyferry works although Vault Secrets Operator does as well. */
  readonly besideVso?: readonly string[];
}
