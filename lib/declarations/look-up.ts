import { SyncError, type SyncErrorOptions } from "../errors.ts";
import { type ReferenceKey, referenceKey } from "../keys.ts";
import { type ObjectRef, parseObjectRef } from "../names.ts";
import { referenceNamespaces } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Reference } from "../ports/rows.ts";
import type { Complaint } from "../util/complaints.ts";
import { rememberedOf } from "../util/remembered.ts";
import { complaintsError, type DeclaredKind, type Parsed, parseSpec, type SpecOf } from "./parse.ts";

/** A reference that exists and is valid. */
export interface Found<K extends DeclaredKind> {
  readonly object: Reference;
  readonly spec: SpecOf<K>;
  /** For messages: `VaultAuth shop/default`. */
  readonly subject: string;
}

/** Resolves references and notes each, found or missing, so that its change wakes the sync (lease-table 23). */
export interface LookUp {
  readonly refs: ReadonlySet<ReferenceKey>;
  /** Throws REFERENCE_MISSING or REFERENCE_INVALID. `because` is the reason to look: `spec.vaultAuthRef is empty`. */
  find<K extends DeclaredKind>(kind: K, ref: ObjectRef, because: string): Found<K>;
  /** Undefined when it is missing. Throws REFERENCE_INVALID. */
  findIfAny<K extends DeclaredKind>(kind: K, ref: ObjectRef): Found<K> | undefined;
  /** Finds the first that exists. Notes all before it as well, since each would take precedence. */
  findFirst<K extends DeclaredKind>(
    kind: K,
    refs: readonly ObjectRef[],
    because: string,
  ): { readonly found: Found<K>; readonly at: ObjectRef };
  /** Notes an object that is not read here: a Secret with credentials. Undefined if it is not followed. */
  note(kind: string, ref: ObjectRef): Noted | undefined;
}

export interface Noted {
  readonly version: string;
  readonly isGone: boolean;
}

export type LookUpCluster = Pick<ClusterSettings, "name" | "namespaces" | "operatorNamespace">;

export function lookUp(settings: LookUpCluster, reference: (key: ReferenceKey) => Reference | undefined): LookUp {
  const cluster = settings.name;
  const refs = new Set<ReferenceKey>();
  const remembered = (kind: string, ref: ObjectRef): Reference | undefined => {
    const key = referenceKey({ cluster, kind, ...ref });
    refs.add(key);
    return reference(key);
  };
  const findFirst: LookUp["findFirst"] = (kind, places, because) => {
    for (const at of places) {
      const object = remembered(kind, at);
      if (object !== undefined) return { found: understood(kind, at, object), at };
    }
    throw missing(settings, kind, places, because);
  };
  return {
    refs,
    findFirst,
    find: (kind, ref, because) => findFirst(kind, [ref], because).found,
    findIfAny(kind, ref) {
      const object = remembered(kind, ref);
      return object && understood(kind, ref, object);
    },
    note(kind, ref) {
      const object = remembered(kind, ref);
      return object && { version: versionOf(object), isGone: object.isGone ?? false };
    },
  };
}

/**
 * In a namespace that keyferry does not read, the object may exist: the remedy is to include the namespace, not to
 * create the object.
 */
function missing(cluster: LookUpCluster, kind: string, places: readonly ObjectRef[], because: string): SyncError {
  const read = referenceNamespaces(cluster);
  const names = places.map((ref) => subjectOf(kind, ref)).join(" or ");
  const unread = [
    ...new Set(places.map(({ namespace }) => namespace).filter((name) => read?.includes(name) === false)),
  ];
  if (unread.length === 0) {
    const message = `${names} was not found in cluster ${cluster.name} (${because}): create it, or name another one`;
    return new SyncError("REFERENCE_MISSING", message);
  }
  const which = unread.length === places.length ? "can't be seen" : "was not found";
  const message =
    `${names} ${which} (${because}): fleet.yaml leaves out namespace ${unread.join(", ")} of cluster ${cluster.name}. ` +
    "Add it to namespaces.include of that cluster, or name one in a namespace that it has";
  return new SyncError("REFERENCE_MISSING", message);
}

function subjectOf(kind: string, ref: ObjectRef): string {
  return `${kind} ${ref.namespace}/${ref.name}`;
}

function understood<K extends DeclaredKind>(kind: K, at: ObjectRef, object: Reference): Found<K> {
  const subject = subjectOf(kind, at);
  if (object.tooLarge !== undefined) {
    const message = `${subject} has ${object.tooLarge} bytes, too many to store: make it smaller`;
    throw new SyncError("REFERENCE_INVALID", message);
  }
  const parsed = parsedOnce(object, kind) as Parsed<SpecOf<K>>;
  if ("complaints" in parsed) throw invalidReference(subject, parsed.complaints);
  return { object, spec: parsed.spec, subject };
}

/** Parses each object once per batch, whose syncs mostly share their references. Each object has one kind. */
const parsedOnce = rememberedOf(({ spec }: Reference, kind: DeclaredKind) => parseSpec(kind, spec));

/** The object that this name refers to; an empty name is the operator's `default`. */
export function referTo(text: string | undefined, namespace: string, operatorNamespace: string): ObjectRef {
  const ref = parseObjectRef(text ?? "", { namespace: operatorNamespace, name: "default" }, namespace);
  // Parsing has checked it.
  if (ref === undefined) throw new SyncError("SPEC_INVALID", "a reference has an invalid name");
  return ref;
}

/**
 * The default for an empty name must be the operator's own object. Throws for one in a namespace that only has the same
 * name as the operator's.
 */
export function mustBeOperators({ object, subject }: Pick<Found<DeclaredKind>, "object" | "subject">): void {
  if (object.isStranger !== true) return;
  throw new SyncError(
    "REFERENCE_NOT_ALLOWED",
    `${subject} can't serve as a default: its namespace may not be the operator's, and any user may have created it. ` +
      "Name another one, or enter the namespace's uid as operatorNamespaceUid in fleet.yaml if it is yours",
  );
}

/** Why a reference is needed, for messages. */
export function because(field: string, text: string | undefined): string {
  return text ? `named by ${field}` : `${field} is empty, so the default in the operator's namespace is used`;
}

/** Changes with every change of the object. */
export function versionOf({ uid, hash }: Reference): string {
  return `${uid}/${hash}`;
}

export function invalidReference(
  subject: string,
  complaints: readonly Complaint[],
  options: SyncErrorOptions = {},
): SyncError {
  return complaintsError("REFERENCE_INVALID", subject, complaints, { options });
}
