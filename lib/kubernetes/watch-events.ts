import { SyncError } from "../errors.ts";
import type { WatchEvent } from "../ports/clusters.ts";
import type { KindRef } from "../resource-kinds.ts";
import { type KubeCall, objectOf } from "./kube-call.ts";
import { refusalOf } from "./kube-errors.ts";
import { failureOf, isExpired } from "./kube-failure.ts";
import { namedResource } from "./resource-object.ts";
import { countAt, resourceVersionIn, type Shape, shapeAt, textAt } from "./shapes.ts";

/** Parses one line of a watch. An ERROR event of code 410 is EXPIRED (kubernetes-rules 12), any other one is thrown. */
export function watchEvent(call: KubeCall, kind: KindRef, line: Shape): WatchEvent {
  const type = textAt(line, "type");
  const object = shapeAt(line, "object");
  switch (type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
      return { type, object: namedResource(kind, object) };
    case "BOOKMARK":
      return { type, resourceVersion: resourceVersionIn(shapeAt(object, "metadata"), "a bookmark") };
    case "ERROR": {
      const failure = failureOf(countAt(object, "code") ?? 500, object);
      if (isExpired(failure)) return { type: "EXPIRED" };
      throw refusalOf(call, failure);
    }
    default:
      throw new SyncError("KUBE_ANSWER_INVALID", `${objectOf(call)}: a watch line has no known type`);
  }
}
