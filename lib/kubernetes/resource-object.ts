import { SECRET } from "../kinds.ts";
import type { JsonObject, KindRef, SeenResource } from "../reconcile/ports.ts";
import { foreignStatusOf, managedFieldsOf } from "./managed-fields.ts";
import { metadataOf, numberAt, type Shape, shapeAt, shapesAt, textAt, textsAt } from "./shapes.ts";

/** An object of the API as discovery and the core see it; metadata-only answers have an empty spec and status. */
export function seenResource(kind: KindRef, object: Shape): SeenResource {
  const { metadata, uid, resourceVersion } = metadataOf(object, kind.kind);
  const { finalizers } = metadata;
  const statusBy = foreignStatusOf(metadata);
  return {
    uid,
    resourceVersion,
    generation: numberAt(metadata, "generation") ?? 0,
    deleting: textAt(metadata, "deletionTimestamp") !== undefined,
    labels: textsAt(metadata, "labels"),
    annotations: textsAt(metadata, "annotations"),
    finalizers: Array.isArray(finalizers) ? finalizers.filter((name) => typeof name === "string") : [],
    spec: shapeAt(object, "spec") as JsonObject,
    status: shapeAt(object, "status") as JsonObject,
    ownerReferences: shapesAt(metadata, "ownerReferences") as readonly JsonObject[],
    ...(kind.kind === SECRET.kind && { managed: managedFieldsOf(metadata) }),
    ...(statusBy && { statusBy }),
    namespace: textAt(metadata, "namespace") ?? "",
    name: textAt(metadata, "name") ?? "",
  };
}
