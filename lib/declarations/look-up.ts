import { SyncError } from "../errors.ts";
import { type ReferenceKey, referenceKey } from "../keys.ts";
import { type ObjectRef, parseObjectRef } from "../names.ts";
import { referenceNamespaces } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Reference } from "../ports/rows.ts";
import type { Complaint } from "../util/complaints.ts";
import { rememberedOf } from "../util/remembered.ts";
import { complaintsError, type DeclaredKind, type Parsed, parseSpec, type SpecOf } from "./parse.ts";

/** A reference that was found, read and understood. */
export interface Found<K extends DeclaredKind> {
  readonly object: Reference;
  readonly spec: SpecOf<K>;
  /** `VaultAuth shop/default`, as messages call it. */
  readonly subject: string;
}

/** Looks references up and remembers each, found or missing, so that its change wakes the sync (lease-table 23). */
export interface LookUp {
  readonly refs: ReadonlySet<ReferenceKey>;
  /** Throws REFERENCE_MISSING or REFERENCE_INVALID. `because` says who asks: `spec.vaultAuthRef is empty`. */
  find<K extends DeclaredKind>(kind: K, ref: ObjectRef, because: string): Found<K>;
  /** The first of them that is there; all before it are remembered as well, since each would count more. */
  findFirst<K extends DeclaredKind>(
    kind: K,
    refs: readonly ObjectRef[],
    because: string,
  ): { readonly found: Found<K>; readonly at: ObjectRef };
  /** Remembers something that is not read here: a Secret with credentials. Its version, where it is followed. */
  note(kind: string, ref: ObjectRef): string | undefined;
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
    note(kind, ref) {
      const object = remembered(kind, ref);
      return object && versionOf(object);
    },
  };
}

/** Of a namespace that is not read nobody knows what is there: to create it would help as little as to wait. */
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
    const message = `${subject} has ${object.tooLarge} bytes, too many to keep: make it smaller`;
    throw new SyncError("REFERENCE_INVALID", message);
  }
  const parsed = parsedOnce(object, kind) as Parsed<SpecOf<K>>;
  if ("complaints" in parsed) throw invalidReference(subject, parsed.complaints);
  return { object, spec: parsed.spec, subject };
}

/** A batch's syncs mostly share their references: each object is parsed once, and forgotten with it. It has one kind. */
const parsedOnce = rememberedOf(({ spec }: Reference, kind: DeclaredKind) => parseSpec(kind, spec));

/** Where `name` stands for: the operator's `default` when it is empty. */
export function referTo(text: string | undefined, namespace: string, operatorNamespace: string): ObjectRef {
  const ref = parseObjectRef(text ?? "", { namespace: operatorNamespace, name: "default" }, namespace);
  // Parsing checked it already.
  if (ref === undefined) throw new SyncError("SPEC_INVALID", "a reference is an invalid name");
  return ref;
}

/**
 * What stands in for a name that is not given must be the operator's own. Someone else's, in a namespace that only has the
 * name of the operator's, is found and refused.
 */
export function mustBeOperators({ object, subject }: Pick<Found<DeclaredKind>, "object" | "subject">): void {
  if (object.isStranger !== true) return;
  throw new SyncError(
    "REFERENCE_NOT_ALLOWED",
    `${subject} is nobody's default: its namespace is not known to be the operator's, and anybody may have made it. ` +
      "Name another one, or enter the namespace's uid as operatorNamespaceUid in fleet.yaml if it is yours",
  );
}

/** Who asks for a reference, in a message. */
export function because(field: string, text: string | undefined): string {
  return text ? `named by ${field}` : `${field} is empty, so the default in the operator's namespace counts`;
}

/** Another one whenever anything of it changed. */
export function versionOf({ uid, hash }: Reference): string {
  return `${uid}/${hash}`;
}

export function invalidReference(subject: string, complaints: readonly Complaint[]): SyncError {
  return complaintsError("REFERENCE_INVALID", subject, complaints);
}
