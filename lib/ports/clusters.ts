import type { EpochMs } from "../clock.ts";
import type { KindRef } from "../resource-kinds.ts";
import type { SeenResource } from "./resources.ts";

/** Which objects of a kind to list or watch, and how much of each. */
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

/** One page of a list. `continue` names the next one; missing: there is none. A watch starts at `resourceVersion`. */
export interface ListPage {
  readonly items: readonly SeenResource[];
  readonly resourceVersion: string;
  readonly continue?: string;
}

/** One event of a watch. A bookmark moves the cursor although nothing changed. */
export type WatchEvent =
  | { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: SeenResource }
  | { readonly type: "BOOKMARK"; readonly resourceVersion: string }
  /** An expired cursor (410), in any form (kubernetes-rules 12). */
  | { readonly type: "EXPIRED" };

/** What discovery reads of a cluster. */
export interface ClusterApi {
  /** uid of the kube-system namespace. Also the probe of a cluster's circuit: throws KUBE_UNREACHABLE. */
  identity(cluster: string, signal: AbortSignal): Promise<string>;
  /**
   * One page of at most 500. Undefined: the cluster does not serve this kind (a 404 of the kind never means missing
   * objects: lease-table 18).
   */
  list(
    cluster: string,
    kind: KindRef,
    options: ListOptions,
    page: string | undefined,
    signal: AbortSignal,
  ): Promise<ListPage | undefined>;
  /** Changes since the cursor, with bookmarks, for at most `seconds`; ends by itself. */
  watch(
    cluster: string,
    kind: KindRef,
    options: ListOptions,
    since: { readonly resourceVersion: string; readonly seconds: number },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent>;
  /** The uid of a namespace; empty when it exists but may not be read. Undefined: it does not exist. */
  namespaceUid(cluster: string, namespace: string, signal: AbortSignal): Promise<string | undefined>;
  /** The installation id stored in a namespace (lease-table 25). */
  installation(
    cluster: string,
    namespace: string,
    signal: AbortSignal,
  ): Promise<InstallationMark | "absent" | "unreadable">;
  /**
   * Writes our id, and returns the one that is stored afterwards. Undefined when writing is not allowed, or the
   * namespace is gone.
   */
  markInstallation(
    cluster: string,
    namespace: string,
    id: string,
    signal: AbortSignal,
  ): Promise<InstallationMark | undefined>;
  /** The lease of VSO's leader election. Undefined when it does not exist or may not be read. */
  vsoLease(cluster: string, namespace: string, signal: AbortSignal): Promise<VsoLease | undefined>;
}

/** The ConfigMap that tells installations apart. */
export interface InstallationMark {
  readonly id: string;
  readonly uid: string;
}

/** Who leads Vault Secrets Operator, as the Lease of its leader election says. Its clock may differ from ours. */
export interface VsoLease {
  /** Empty after its release. */
  readonly holder: string;
  readonly renewedAt: EpochMs;
  readonly durationMs: number;
}
