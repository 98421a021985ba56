import type { EpochMs } from "../clock.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { SeenResource } from "./resources.ts";

export interface ListOptions {
  readonly metadataOnly: boolean;
  readonly labelSelector?: string;
  /** Missing: all namespaces. */
  readonly namespace?: string;
  /** Only the object of this name. */
  readonly name?: string;
  /** Items in a page; 500 when missing. */
  readonly limit?: number;
}

export interface ListPage {
  readonly items: readonly SeenResource[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: SeenResource }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }
  /** Too old a cursor (410), in whatever form it came (kubernetes-rules 12). */
  | { readonly type: "EXPIRED" };

/** What discovery asks of a cluster. */
export interface ClusterApi {
  /** uid of the kube-system namespace. Also the probe of a cluster's circuit: throws KUBE_UNREACHABLE. */
  identity(cluster: string, signal: AbortSignal): Promise<string>;
  /** One page of at most 500. Undefined: the cluster does not have this kind (404 of the kind itself never means missing: lease-table 18). */
  list(
    cluster: string,
    kind: KindRef,
    options: ListOptions,
    page: string | undefined,
    signal: AbortSignal,
  ): Promise<ListPage | undefined>;
  /** Changes since, with bookmarks, for at most `seconds`; ends by itself. */
  watch(
    cluster: string,
    kind: KindRef,
    options: ListOptions,
    since: { readonly resourceVersion: string; readonly seconds: number },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent>;
  /** The uid of a namespace, empty when it is there and may not be read. Undefined: there is none. */
  namespaceUid(cluster: string, namespace: string, signal: AbortSignal): Promise<string | undefined>;
  /** The installation id that stands in a namespace (lease-table 25). */
  installation(
    cluster: string,
    namespace: string,
    signal: AbortSignal,
  ): Promise<InstallationMark | "absent" | "unreadable">;
  /** Writes ours, and answers the one that stands there then. Undefined when none may be written, or the namespace is gone. */
  markInstallation(
    cluster: string,
    namespace: string,
    id: string,
    signal: AbortSignal,
  ): Promise<InstallationMark | undefined>;
  /** The lease of VSO's leader election. Undefined when there is none, or when it may not be read. */
  vsoLease(cluster: string, namespace: string, signal: AbortSignal): Promise<VsoLease | undefined>;
}

/** The ConfigMap that tells installations apart. */
export interface InstallationMark {
  readonly id: string;
  readonly uid: string;
}

export interface VsoLease {
  /** Empty when it was given back. */
  readonly holder: string;
  readonly renewedAt: EpochMs;
  readonly durationMs: number;
}
