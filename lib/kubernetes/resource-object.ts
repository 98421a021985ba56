import { SyncError } from "../errors.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { KindRef } from "../resource-kinds.ts";
import { SECRET } from "../resource-kinds.ts";
import type { JsonObject } from "../util/json.ts";
import { foreignStatusOf, managedFieldsOf } from "./managed-fields.ts";
import { countAt, metadataOf, type Shape, shapeAt, shapesAt, textAt, textsAt } from "./shapes.ts";

/** Converts an object for discovery and the core; metadata-only answers have an empty spec and status. */
export function seenResource(kind: KindRef, object: Shape): SeenResource {
  const { metadata, uid, resourceVersion } = metadataOf(object, kind.kind);
  const { finalizers } = metadata;
  const statusBy = foreignStatusOf(metadata);
  return {
    uid,
    resourceVersion,
    generation: countAt(metadata, "generation") ?? 0,
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

/** Names and namespaces of what we follow become part of keys, paths and messages. */
const NAME = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Whether this is a valid Kubernetes name. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/** Converts an object of a list or a watch, whose name must be a valid Kubernetes name. */
export function namedResource(kind: KindRef, object: Shape): SeenResource {
  const seen = seenResource(kind, object);
  if (isName(seen.name) && NAMESPACE.test(seen.namespace)) return seen;
  throw new SyncError("KUBE_ANSWER_INVALID", `${kind.kind} came back without a valid name and namespace`);
}
