import { OWNER_UID_LABEL } from "../../owner-labels.ts";
import type { OwnerReference } from "../../ports/objects.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import type { KindRef } from "../../resource-kinds.ts";
import { apiVersionOf, SYNC_KINDS, VSO_GROUP } from "../../resource-kinds.ts";
import type { JsonObject } from "../../util/json.ts";

/** A declaration that an owner reference names, and not the one that is worked on. */
export interface OtherDeclaration {
  readonly kind: KindRef;
  readonly name: string;
  readonly uid: string;
}

/** What the owner references of a Secret say, as one declaration sees it. */
export interface Owners {
  /** Its own reference: as we write it, with other members, or not there. */
  readonly own: "as-written" | "altered" | "absent";
  /** Other declarations, whether they are declared still or not. */
  readonly declarations: readonly OtherDeclaration[];
  /** Owners of any other kind: people and tools that we know nothing of. */
  readonly foreign: readonly { readonly what: string; readonly controls: boolean }[];
}

/** A declaration other than ours that a Secret belongs to, and that is declared still. */
export interface Rival {
  readonly kind: string;
  readonly name: string;
  /** What names it: an owner reference that stands there, or what else it left there: the owner's label, fields that keyferry wrote. */
  readonly by: "reference" | "mark";
  /** The marks that it left say that it was the last to write. */
  readonly wrote: boolean;
}

/** Exactly our owner reference and no other, without `controller` and `blockOwnerDeletion`: as Vault Secrets Operator demands it (kubernetes-rules 6). */
export function isOwnedBy(secret: Pick<SeenSecret, "ownerReferences">, owner: OwnerReference): boolean {
  const [only, ...others] = secret.ownerReferences;
  return only !== undefined && others.length === 0 && isAsWritten(only, owner);
}

function isAsWritten(reference: JsonObject, owner: OwnerReference): boolean {
  const same = (name: keyof OwnerReference) => reference[name] === owner[name];
  const plain = !reference.controller && !reference.blockOwnerDeletion;
  return plain && same("apiVersion") && same("kind") && same("name") && same("uid");
}

/**
 * Sorted by whose they are. A reference to our own kind and name with another uid is to a declaration that was there
 * before ours: it is gone, since a name is one object's at a time, and so it counts for nothing.
 */
export function ownersOf({ ownerReferences }: Pick<SeenSecret, "ownerReferences">, owner: OwnerReference): Owners {
  const own = ownerReferences.find(({ uid }) => uid === owner.uid);
  const others = ownerReferences.filter(({ uid }) => uid !== owner.uid);
  const declarations: OtherDeclaration[] = [];
  const foreign: { what: string; controls: boolean }[] = [];
  for (const reference of others) {
    const declaration = declarationIn(reference);
    if (!declaration) foreign.push({ what: shown(reference), controls: reference.controller === true });
    else if (declaration.kind.kind !== owner.kind || declaration.name !== owner.name) declarations.push(declaration);
  }
  return {
    own: own === undefined ? "absent" : isAsWritten(own, owner) ? "as-written" : "altered",
    declarations,
    foreign,
  };
}

/** The declaration that an owner reference names; undefined when it names something else. */
export function declarationIn(reference: JsonObject | undefined): OtherDeclaration | undefined {
  const { apiVersion, kind: kindName, name, uid } = reference ?? {};
  const kind = SYNC_KINDS.find((candidate) => candidate.kind === kindName);
  if (!kind || !String(apiVersion).startsWith(`${VSO_GROUP}/`)) return undefined;
  return { kind, name: String(name), uid: String(uid) };
}

/** Does a Secret bear the marks of this very declaration: its owner reference, or its uid as the owner's label? */
export function bearsMarksOf(secret: Pick<SeenSecret, "ownerReferences" | "labels">, { uid }: OwnerReference): boolean {
  return secret.ownerReferences.some((reference) => reference.uid === uid) || secret.labels[OWNER_UID_LABEL] === uid;
}

/** The reference by which a declaration owns its Secrets. */
export function referenceTo(kind: KindRef, name: string, uid: string): OwnerReference {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, name, uid };
}

/** The API server asks of kind and name of an owner no more than that they are not empty: what is no name is not repeated. */
function shown({ kind, name }: JsonObject): string {
  const isName = (text: unknown): text is string => typeof text === "string" && /^[\w.:-]{1,253}$/.test(text);
  return isName(kind) && isName(name) ? `${kind} ${name}` : "an owner whose name is none";
}
