import type { SeenResource } from "../../../lib/ports/resources.ts";

/** A resource as a cluster shows it: `shop/db`. */
export function aSeen(changed: Partial<SeenResource> = {}): SeenResource {
  const name = changed.name ?? "db";
  return {
    ...{ uid: `uid-of-${name}`, resourceVersion: "100", generation: 1, deleting: false, labels: {}, annotations: {} },
    ...{ finalizers: [], spec: {}, status: {}, ownerReferences: [], namespace: "shop", name },
    ...changed,
  };
}
