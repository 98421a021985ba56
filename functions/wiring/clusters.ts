import { awsAccess } from "../../lib/aws/aws-access.ts";
import { lazyVault } from "../../lib/connect/lazy-vault.ts";
import { accessTo, notInFleet } from "../../lib/connect/ways.ts";
import type { Fleet, FleetCluster } from "../../lib/fleet/fleet.ts";
import { reachOfFleet, trustAnchors } from "../../lib/fleet/vaults.ts";
import { clusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { type KubernetesApis, kubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import type { TrustAnchors } from "../../lib/ports/fleet-vault.ts";
import { NOTHING_NAMED, type ReachOf } from "../../lib/vault-reach.ts";
import type { Base } from "./base.ts";
import { tokenCacheOf } from "./token-cache.ts";

/** The clusters of the last fleet read, with their connections. */
export interface Clusters extends KubernetesApis {
  /** Reads the fleet again if it is too old, at the start of an invocation. */
  refresh(): Promise<void>;
  fleet(name: string): FleetCluster | undefined;
  /** Which Vaults a cluster's resources may name. */
  readonly reachOf: ReachOf;
  readonly anchors: TrustAnchors;
}

export function clustersOf(base: Base): Clusters {
  const { clock, log, metrics, fleet } = base;
  let byName: ReadonlyMap<string, FleetCluster> = new Map();
  let vaults: Fleet["vaults"] = [];
  let reachOf: ReachOf = () => NOTHING_NAMED;
  const access = lazyVault(() => ({
    ...{ clock, log, metrics, files: fleet.files },
    vaults: () => vaults,
    reachOf: (cluster) => reachOf(cluster),
    cache: tokenCacheOf(base),
  }));
  const ways = { files: fleet.files, clock, aws: awsAccess(clock), vault: access.open, mayExec: false };
  const clients = clusterClients({
    clock,
    log,
    resolve: (name, isRefused) => {
      const cluster = byName.get(name);
      if (cluster === undefined) throw notInFleet(name);
      return accessTo(cluster, ways, isRefused);
    },
  });
  return {
    ...kubernetesApis({ clients, clock, log }),
    fleet: (name) => byName.get(name),
    reachOf: (cluster) => reachOf(cluster),
    anchors: trustAnchors(() => vaults, fleet.files),
    async refresh() {
      const found = await fleet.current();
      byName = new Map(found.clusters.map((cluster) => [cluster.name, cluster]));
      vaults = found.vaults;
      reachOf = reachOfFleet(() => found);
    },
  };
}
