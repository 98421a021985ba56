import type { NamedObject, OwnerReference } from "../ports/objects.ts";
import type { DesiredSecret, Precondition, SeenSecret, WrittenSecret } from "../ports/secrets.ts";
import { SECRET } from "../resource-kinds.ts";
import { type SecretData, SecretValue } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import { lastOther, managedFieldsOf, ownMarks } from "./managed-fields.ts";
import { metadataOf, type Shape, shapesAt, textAt, textsAt } from "./shapes.ts";

/** `data` as Kubernetes encodes it: padded base64. */
export function encodedData(data: SecretData): Readonly<Record<string, string>> {
  return Object.fromEntries([...data].map(([key, value]) => [key, value.reveal().toString("base64")]));
}

/**
 * The body of a server-side apply: `data` only, and an owner reference of exactly four members (kubernetes-rules 2, 6).
 */
export function applyBody(secret: NamedObject, desired: DesiredSecret, precondition: Precondition): Shape {
  const { apiVersion, kind, name, uid } = desired.ownerReference;
  const isEmpty = (map: object): boolean => Object.keys(map).length === 0;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: {
      name: secret.name,
      namespace: secret.namespace,
      ...demandsOf(precondition),
      ...(!isEmpty(desired.labels) && { labels: desired.labels }),
      ...(!isEmpty(desired.annotations) && { annotations: desired.annotations }),
      ownerReferences: [{ apiVersion, kind, name, uid }],
    },
    type: desired.type,
    data: encodedData(desired.data),
  };
}

/** The body of an apply that adds one owner reference and owns nothing else. */
export function besideBody(
  { name, namespace }: NamedObject,
  { apiVersion, kind, name: owner, uid }: OwnerReference,
  seen: Pick<SeenSecret, "uid" | "resourceVersion">,
): Shape {
  const ownerReferences = [{ apiVersion, kind, name: owner, uid }];
  const { uid: secretUid, resourceVersion } = seen;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace, uid: secretUid, resourceVersion, ownerReferences },
  };
}

/** A JSON patch that removes one owner reference; its field manager gains no fields. */
export function dropOwnerBody(
  uid: string,
  { resourceVersion, ownerReferences }: Pick<SeenSecret, "resourceVersion" | "ownerReferences">,
): readonly Shape[] {
  const path = `/metadata/ownerReferences/${ownerReferences.findIndex((reference) => reference.uid === uid)}`;
  return [
    { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
    { op: "test", path: `${path}/uid`, value: uid },
    { op: "remove", path },
  ];
}

/** No object has the resourceVersion "1", so the apply can only create (kubernetes-rules 1). */
function demandsOf(precondition: Precondition): { uid?: string; resourceVersion: string } {
  if (precondition.kind === "absent") return { resourceVersion: "1" };
  return { uid: precondition.uid, resourceVersion: precondition.resourceVersion };
}

/** Parses a Secret from the answer to a GET or a patch. */
export function seenSecret(object: Shape): SeenSecret {
  const { metadata, uid, resourceVersion } = metadataOf(object, SECRET.kind);
  const data = Object.entries(textsAt(object, "data"));
  const writtenBy = lastOther(metadata);
  return {
    uid,
    resourceVersion,
    type: textAt(object, "type") ?? "Opaque",
    immutable: object.immutable === true,
    deleting: textAt(metadata, "deletionTimestamp") !== undefined,
    labels: textsAt(metadata, "labels"),
    annotations: textsAt(metadata, "annotations"),
    ownerReferences: shapesAt(metadata, "ownerReferences") as readonly JsonObject[],
    data: new Map(data.map(([key, value]) => [key, SecretValue.of(Buffer.from(value, "base64"))])),
    managed: managedFieldsOf(metadata),
    ownMarks: ownMarks(metadata),
    ...(writtenBy && { writtenBy }),
  };
}

/** Parses the answer to a write; `ours` are the data keys that we meant to leave there. */
export function writtenSecret(object: Shape, ours: { has(key: string): boolean }): WrittenSecret {
  const { metadata, uid, resourceVersion } = metadataOf(object, SECRET.kind);
  const foreignKeys = Object.keys(textsAt(object, "data")).filter((key) => !ours.has(key));
  return { uid, resourceVersion, managed: managedFieldsOf(metadata), foreignKeys };
}
