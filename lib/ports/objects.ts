import type { KindRef } from "../resource-kinds.ts";

export interface NamedObject {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
}

export interface ResourceRef extends NamedObject {
  readonly kind: KindRef;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
}
