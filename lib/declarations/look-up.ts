import type { Complaint } from "../complaints.ts";
import { SyncError } from "../errors.ts";
import { type ReferenceKey, referenceKey } from "../keys.ts";
import type { ObjectRef } from "../names.ts";
import type { Reference } from "../reconcile/ports.ts";
import { complaintsError, type DeclaredKind, parseSpec, type SpecOf } from "./parse.ts";

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
  /** Remembers something that is not read here: a Secret with credentials. Its version, where it is followed. */
  note(kind: string, ref: ObjectRef): string | undefined;
}

export function lookUp(cluster: string, reference: (key: ReferenceKey) => Reference | undefined): LookUp {
  const refs = new Set<ReferenceKey>();
  return {
    refs,
    find(kind, ref, because) {
      const key = referenceKey({ cluster, kind, ...ref });
      refs.add(key);
      const object = reference(key);
      const subject = `${kind} ${ref.namespace}/${ref.name}`;
      if (object === undefined) {
        const message = `${subject} was not found in cluster ${cluster} (${because}): create it, or name another one`;
        throw new SyncError("REFERENCE_MISSING", message);
      }
      const parsed = parseSpec(kind, object.spec);
      if ("complaints" in parsed) throw invalidReference(subject, parsed.complaints);
      return { object, spec: parsed.spec, subject };
    },
    note(kind, ref) {
      const key = referenceKey({ cluster, kind, ...ref });
      refs.add(key);
      const object = reference(key);
      return object && versionOf(object);
    },
  };
}

/** Another one whenever anything of it changed. */
export function versionOf({ uid, hash }: Reference): string {
  return `${uid}/${hash}`;
}

export function invalidReference(subject: string, complaints: readonly Complaint[]): SyncError {
  return complaintsError("REFERENCE_INVALID", subject, complaints);
}
