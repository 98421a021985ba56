import { OWNER_UID_LABEL } from "../../owner-labels.ts";
import type { OwnerReference } from "../../ports/objects.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import type { KindRef } from "../../resource-kinds.ts";
import { SYNC_KINDS, VSO_GROUP } from "../../resource-kinds.ts";
import type { JsonObject } from "../../util/json.ts";

/** Another declaration in an owner reference. */
export interface OtherDeclaration {
  readonly kind: KindRef;
  readonly name: string;
  readonly uid: string;
}

/** A Secret's owner references from the view of one declaration. */
export interface Owners {
  /** Its own reference: as we write it, with other members, or missing. */
  readonly own: "as-written" | "altered" | "absent";
  /** Other declarations, whether they still exist or not. */
  readonly declarations: readonly OtherDeclaration[];
  /** Owners of any other kind. */
  readonly foreign: readonly { readonly what: string; readonly controls: boolean }[];
}

/** Another existing declaration to which a Secret belongs. */
export interface Rival {
  readonly kind: string;
  readonly name: string;
  /** How we know: by its owner reference, or by other marks: the owner's label, fields that keyferry wrote. */
  readonly by: "reference" | "mark";
  /** Its marks show that it was the last writer. */
  readonly wrote: boolean;
  /** The Secret that it names now, if another one: it has not left this one yet. */
  readonly names?: string;
}

/**
 * Exactly our owner reference and no other, without `controller` and `blockOwnerDeletion`: as Vault Secrets Operator
 * requires (kubernetes-rules 6).
 */
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
 * Sorts the references by owner. One to our own kind and name with another uid is ignored: that declaration is gone,
 * because a name belongs to one object at a time.
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

/** The declaration in an owner reference; undefined for another owner. */
export function declarationIn(reference: JsonObject | undefined): OtherDeclaration | undefined {
  const { apiVersion, kind: kindName, name, uid } = reference ?? {};
  const kind = SYNC_KINDS.find((candidate) => candidate.kind === kindName);
  if (!kind || !String(apiVersion).startsWith(`${VSO_GROUP}/`)) return undefined;
  return { kind, name: String(name), uid: String(uid) };
}

/** Whether a Secret has the marks of this declaration: its owner reference, or its uid in the owner's label. */
export function bearsMarksOf(secret: Pick<SeenSecret, "ownerReferences" | "labels">, { uid }: OwnerReference): boolean {
  return secret.ownerReferences.some((reference) => reference.uid === uid) || secret.labels[OWNER_UID_LABEL] === uid;
}

/** The API server only requires that an owner's kind and name are not empty, so invalid names are not repeated. */
function shown({ kind, name }: JsonObject): string {
  const isName = (text: unknown): text is string => typeof text === "string" && /^[\w.:-]{1,253}$/.test(text);
  return isName(kind) && isName(name) ? `${kind} ${name}` : "an owner with an invalid name";
}
