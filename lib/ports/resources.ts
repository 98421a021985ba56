import type { EpochMs } from "../clock.ts";
import type { JsonObject } from "../util/json.ts";
import type { ResourceRef } from "./objects.ts";
import type { ManagedFields } from "./secrets.ts";

/** A custom resource as read. */
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
  /** For metadata-only reads of Secrets: their owners. */
  readonly ownerReferences: readonly JsonObject[];
  readonly managed?: ManagedFields;
  /** Another program wrote the status after us, or we never did (kubernetes-rules 24). */
  readonly statusBy?: StatusWrite;
  readonly namespace: string;
  readonly name: string;
}

/** A write of a status: the program's name, and the API server's time in seconds. */
export interface StatusWrite {
  readonly manager: string;
  readonly at: EpochMs;
}

/** An Event about a resource, as `kubectl describe` shows it. */
export interface ResourceEvent {
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
}

/** Custom resources: status, events, finalizers. */
export interface ResourceApi {
  get(ref: ResourceRef, signal: AbortSignal): Promise<SeenResource | undefined>;
  /**
   * Merge-patches the status subresource at this resourceVersion; returns the new one. KUBE_CONFLICT when it changed.
   */
  writeStatus(ref: ResourceRef, status: JsonObject, resourceVersion: string, signal: AbortSignal): Promise<string>;
  /** core/v1, create only (kubernetes-rules 18). A failure is logged, never thrown. */
  emit(ref: ResourceRef, uid: string, event: ResourceEvent, now: EpochMs, signal: AbortSignal): Promise<void>;
  /** Removes these finalizers if they exist; an absent resource counts as success. */
  removeFinalizers(ref: ResourceRef, finalizers: readonly string[], signal: AbortSignal): Promise<void>;
  /** Changes only metadata; leaves a resource alone that is absent, deleted or has another uid. */
  change(ref: ResourceRef, uid: string, change: ResourceChange, signal: AbortSignal): Promise<void>;
}

/** A change of a resource's metadata. What it does not name stays. */
export interface ResourceChange {
  readonly addFinalizers: readonly string[];
  /** Null removes an annotation. */
  readonly annotations: Readonly<Record<string, string | null>>;
}
