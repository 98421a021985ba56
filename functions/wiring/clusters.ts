import { awsAccess } from "../../lib/aws/aws-access.ts";
import { hubCopies } from "../../lib/connect/hub-copies.ts";
import { lazyVault } from "../../lib/connect/lazy-vault.ts";
import type { FleetCluster } from "../../lib/fleet/fleet.ts";
import { budgetsOfFleet, reachOfFleet, trustAnchors } from "../../lib/fleet/vaults.ts";
import { fleetConnections } from "../../lib/hubs/connections.ts";
import { movedPlaces } from "../../lib/hubs/live-fleet.ts";
import type { ClusterClients } from "../../lib/kubernetes/cluster-client.ts";
import type { KubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import type { TrustAnchors } from "../../lib/ports/fleet-vault.ts";
import type { BudgetOf } from "../../lib/vault-budget.ts";
import { NOTHING_NAMED, type ReachOf } from "../../lib/vault-reach.ts";
import type { Base } from "./base.ts";
import { tokenCacheOf } from "./token-cache.ts";

/** The clusters of the last fleet that was taken up, with their connections and all else that derives from it. */
export interface Clusters extends KubernetesApis {
  /** Reads the fleet again if it is too old, at the start of an invocation. */
  refresh(): Promise<void>;
  fleet(name: string): FleetCluster | undefined;
  isFleetIncomplete(): boolean;
  readonly clients: Pick<ClusterClients, "send">;
  /** Which Vaults a cluster's resources may name. */
  readonly reachOf: ReachOf;
  /** This process's share of what each Vault may get. */
  readonly budgetOf: BudgetOf;
  readonly anchors: TrustAnchors;
  /** Ends the connections to a cluster, or to a place of a hub. */
  forget(place: string): void;
}

export function clustersOf(base: Base): Clusters {
  const { config, clock, log, metrics, fleet } = base;
  const now = () => fleet.live().current();
  const [reachNow, budgetNow] = [reachOfFleet(now), budgetsOfFleet(now, config.reconcileConcurrency)];
  const reachOf: ReachOf = (cluster) => (fleet.known() === undefined ? NOTHING_NAMED : reachNow(cluster));
  const budgetOf: BudgetOf = (address) => (fleet.known() === undefined ? undefined : budgetNow(address));
  const vaults = () => fleet.known()?.current().vaults ?? [];
  const access = lazyVault(() => ({
    ...{ clock, log, metrics, files: fleet.files, vaults },
    reachOf,
    budgetOf,
    cache: tokenCacheOf(base),
  }));
  const copies = hubCopies(tokenCacheOf(base), { clock, log });
  const connect = { files: fleet.files, clock, aws: awsAccess(clock), vault: access.open, copies, mayExec: false };
  const { clients, apis } = fleetConnections({ fleet: fleet.live, connect, log });
  const moved = new Set<string>();
  fleet.onChange((before, after) => {
    for (const place of movedPlaces(before, after)) moved.add(place);
  });
  const forgetMoved = (): void => {
    for (const place of moved) clients.forget(place);
    moved.clear();
  };
  return {
    ...apis,
    clients,
    forget: clients.forget,
    fleet: (name) => fleet.known()?.find(name),
    isFleetIncomplete: () => fleet.known()?.current().unread.length !== 0,
    reachOf,
    budgetOf,
    anchors: trustAnchors(vaults, fleet.files),
    async refresh() {
      await fleet.current();
      // Not before: a pass that runs while another one takes up a fleet asks the same API server to its end.
      forgetMoved();
    },
  };
}
