import { notInFleet } from "../../lib/fleet/connect.ts";
import type { FleetCluster } from "../../lib/fleet/fleet.ts";
import { clusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { type KubernetesEnds, kubernetesEnds } from "../../lib/kubernetes/kubernetes-ends.ts";
import type { Base } from "./base.ts";

/** The clusters of the fleet as it was last read, with their connections. */
export interface Clusters extends KubernetesEnds {
  /** Reads the fleet again if it is not fresh: at the start of an invocation. */
  refresh(): Promise<void>;
  fleet(name: string): FleetCluster | undefined;
}

export function clustersOf({ clock, log, fleet }: Base): Clusters {
  let byName: ReadonlyMap<string, FleetCluster> = new Map();
  const clients = clusterClients({
    clock,
    log,
    resolve: (name) => {
      const cluster = byName.get(name);
      if (cluster === undefined) throw notInFleet(name);
      return fleet.access(cluster);
    },
  });
  return {
    ...kubernetesEnds({ clients, clock, log }),
    fleet: (name) => byName.get(name),
    async refresh() {
      const { clusters } = await fleet.current();
      byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
    },
  };
}
