import type { EpochMs } from "../clock.ts";
import type { SecretData } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import type { NamedObject, OwnerReference } from "./objects.ts";

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
export interface SecretApi {
  /**
   * `get`: one GET. `patch`: an empty merge patch, for identities that may not get (kubernetes-rules 9). `dry-run`: the same,
   * and nobody's admission plug-in can make a change of it. Undefined: absent.
   */
  observe(secret: NamedObject, how: "get" | "patch" | "dry-run", signal: AbortSignal): Promise<SeenSecret | undefined>;
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
