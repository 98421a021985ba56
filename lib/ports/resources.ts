import type { EpochMs } from "../clock.ts";
import type { JsonObject } from "../util/json.ts";
import type { ResourceRef } from "./objects.ts";
import type { ManagedFields } from "./secrets.ts";

/** A custom resource as it was read. */
export interface SeenResource {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  readonly deleting: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly spec: JsonObject;
  readonly status: JsonObject;
  /** Metadata-only reads of Secrets: who owns them. */
  readonly ownerReferences: readonly JsonObject[];
  readonly managed?: ManagedFields;
  /** Someone else wrote the status after us, or we never did (kubernetes-rules 24). */
  readonly statusBy?: StatusWrite;
  readonly namespace: string;
  readonly name: string;
}

/** A write of a status, by the name of the program and in the API server's time, to the second. */
export interface StatusWrite {
  readonly manager: string;
  readonly at: EpochMs;
}

export interface ResourceEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Custom resources: status, events, finalizers. */
export interface ResourceApi {
  get(ref: ResourceRef, signal: AbortSignal): Promise<SeenResource | undefined>;
  /** Merge patch on the status subresource at this resourceVersion; answers the new one. KUBE_CONFLICT when it moved. */
  writeStatus(ref: ResourceRef, status: JsonObject, resourceVersion: string, signal: AbortSignal): Promise<string>;
  /** core/v1, create only (kubernetes-rules 18). A failure is logged, never thrown. */
  emit(ref: ResourceRef, uid: string, event: ResourceEvent, now: EpochMs, signal: AbortSignal): Promise<void>;
  /** Removes these finalizers if they are there; an absent resource is success. */
  removeFinalizers(ref: ResourceRef, finalizers: readonly string[], signal: AbortSignal): Promise<void>;
  /** Changes metadata alone; a resource that is absent, another one, or being deleted is left as it is. */
  change(ref: ResourceRef, uid: string, change: ResourceChange, signal: AbortSignal): Promise<void>;
}

export interface ResourceChange {
  readonly addFinalizers: readonly string[];
  /** Null takes one away. */
  readonly annotations: Readonly<Record<string, string | null>>;
}
