import type { KindRef } from "../resource-kinds.ts";

/** An object of a kind that the context tells, in one cluster of the fleet. */
export interface NamedObject {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

/** An object with its kind, for calls that serve several kinds. */
export interface ResourceRef extends NamedObject {
  readonly kind: KindRef;
}

/** As in `metadata.ownerReferences`: Kubernetes deletes an object when its last owner is gone. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}
