import { accessTo, notInFleet } from "../../lib/connect/ways.ts";
import type { Fleet, FleetCluster } from "../../lib/fleet/fleet.ts";
import { budgetsOfFleet, reachOfFleet, trustAnchors } from "../../lib/fleet/vaults.ts";
import { clusterClients } from "../../lib/kubernetes/cluster-client.ts";
import { type KubernetesApis, kubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import type { TrustAnchors } from "../../lib/ports/fleet-vault.ts";
import type { BudgetOf } from "../../lib/vault-budget.ts";
import { NOTHING_NAMED, type ReachOf } from "../../lib/vault-reach.ts";
import type { Base } from "./base.ts";

/** The clusters of the last fleet read, with their connections. */
export interface Clusters extends KubernetesApis {
  /** Reads the fleet again if it is too old, at the start of an invocation. */
  refresh(): Promise<void>;
  fleet(name: string): FleetCluster | undefined;
  /** Which Vaults a cluster's resources may name. */
  readonly reachOf: ReachOf;
  /** This process's share of what each Vault may get. */
  readonly budgetOf: BudgetOf;
  readonly anchors: TrustAnchors;
}

export function clustersOf({ config, clock, log, fleet }: Base): Clusters {
  let byName: ReadonlyMap<string, FleetCluster> = new Map();
  let vaults: Fleet["vaults"] = [];
  let reachOf: ReachOf = () => NOTHING_NAMED;
  let budgetOf: BudgetOf = () => undefined;
  const clients = clusterClients({
    clock,
    log,
    resolve: (name) => {
      const cluster = byName.get(name);
      if (cluster === undefined) throw notInFleet(name);
      return accessTo(cluster, { files: fleet.files, clock });
    },
  });
  return {
    ...kubernetesApis({ clients, clock, log }),
    fleet: (name) => byName.get(name),
    reachOf: (cluster) => reachOf(cluster),
    budgetOf: (address) => budgetOf(address),
    anchors: trustAnchors(() => vaults, fleet.files),
    async refresh() {
      const found = await fleet.current();
      byName = new Map(found.clusters.map((cluster) => [cluster.name, cluster]));
      vaults = found.vaults;
      reachOf = reachOfFleet(() => found);
      budgetOf = budgetsOfFleet(() => found, config.reconcileConcurrency);
    },
  };
}
