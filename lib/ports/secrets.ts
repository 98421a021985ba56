import type { EpochMs } from "../clock.ts";
import type { SecretData } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import type { NamedObject, OwnerReference } from "./objects.ts";

/** The desired Secret. */
export interface DesiredSecret {
  readonly type: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ownerReference: OwnerReference;
  readonly data: SecretData;
}

/** A Secret as read. */
export interface SeenSecret {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly type: string;
  readonly immutable: boolean;
  readonly deleting: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Includes `controller` and `blockOwnerDeletion` if set. */
  readonly ownerReferences: readonly JsonObject[];
  readonly data: SecretData;
  readonly managed: ManagedFields;
  /** Labels and annotations that our next apply removes unless it names them. */
  readonly ownMarks?: { readonly labels: readonly string[]; readonly annotations: readonly string[] };
  /** The field manager besides ours that wrote last; anybody may choose its name. Missing: none. */
  readonly writtenBy?: string;
}

/** The relevant content of a Secret's managedFields. */
export interface ManagedFields {
  /** Fingerprint of our entry and of other owners' data keys: a change is drift (kubernetes-rules 10). */
  readonly fingerprint: string;
  /** Whether we own any fields. */
  readonly ours: boolean;
  /** Whether VSO's entry (which owns its owner label) still exists (kubernetes-rules 3). */
  readonly vso: boolean;
}

/** What a write requires of the existing Secret (kubernetes-rules 1, lease-table 6). */
export type Precondition =
  | { readonly kind: "absent" }
  | { readonly kind: "as-seen"; readonly uid: string; readonly resourceVersion: string };

/** A write to try without effect. */
export type Rehearsal =
  | { readonly kind: "apply"; readonly desired: DesiredSecret; readonly precondition: Precondition }
  | { readonly kind: "replace-data"; readonly uid: string; readonly data: SecretData };

/** A Secret after our write, as the API server answered it. */
export interface WrittenSecret {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly managed: ManagedFields;
  /** Data keys in the answer that are not ours. */
  readonly foreignKeys: readonly string[];
}

/**
 * Throws KUBE_CONFLICT when the precondition fails, SECRET_TYPE_DIFFERS, SECRET_IMMUTABLE, and the errors of
 * kubernetes-rules 13.
 */
export interface SecretApi {
  /**
   * `get`: one GET. `patch`: an empty merge patch, for identities that may not get (kubernetes-rules 9). `dry-run`: the
   * same, without effects of admission plug-ins. Undefined: absent.
   */
  observe(secret: NamedObject, how: "get" | "patch" | "dry-run", signal: AbortSignal): Promise<SeenSecret | undefined>;
  /** Server-side apply of data, labels, annotations, owner reference and type. */
  apply(
    secret: NamedObject,
    desired: DesiredSecret,
    precondition: Precondition,
    signal: AbortSignal,
  ): Promise<WrittenSecret>;
  /**
   * Sends `apply` or `replaceData` as a dry run: throws what that write would throw now. A webhook that does not support
   * dry runs tells nothing, and counts as consent.
   */
  rehearse(secret: NamedObject, write: Rehearsal, signal: AbortSignal): Promise<void>;
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
  /** Adds an owner reference at the uid and resourceVersion that were read; returns the new resourceVersion. */
  standBeside(
    secret: NamedObject,
    owner: OwnerReference,
    seen: Pick<SeenSecret, "uid" | "resourceVersion">,
    signal: AbortSignal,
  ): Promise<string>;
  /** Removes the owner reference with this uid, if all owner references are unchanged. */
  dropOwner(
    secret: NamedObject,
    uid: string,
    seen: Pick<SeenSecret, "resourceVersion" | "ownerReferences">,
    signal: AbortSignal,
  ): Promise<void>;
  /** Deletes it with preconditions; an absent one counts as success; KUBE_CONFLICT when it changed. */
  remove(
    secret: NamedObject,
    seen: { readonly uid: string; readonly resourceVersion: string },
    signal: AbortSignal,
  ): Promise<void>;
  /** Names of the Secrets in a namespace with this owner's label: one list, metadata only. */
  ownedNames(
    place: Pick<NamedObject, "cluster" | "namespace">,
    uid: string,
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * VSO's HMAC key in the cluster, if it exists and may be read. Cached; that it is missing only if that was seen after
   * `madeAt`.
   */
  hmacKey(cluster: string, namespace: string, signal: AbortSignal, madeAt?: EpochMs): Promise<Buffer | undefined>;
  /** The same without a cache, with the reason why there is no key. */
  findHmacKey(cluster: string, namespace: string, signal: AbortSignal): Promise<HmacKeyFound>;
  /** Creates it as VSO would (kubernetes-rules 21); an existing one stays. */
  createHmacKey(cluster: string, namespace: string, key: Buffer, signal: AbortSignal): Promise<void>;
}

/** The key of VSO's MACs, or why there is none. */
export type HmacKeyFound =
  | { readonly kind: "found"; readonly key: Buffer }
  | { readonly kind: "absent" }
  /** Not of 16 bytes, or unreadable. */
  | { readonly kind: "unusable"; readonly why: string };
