import { isDeepStrictEqual } from "node:util";
import { awsAccess } from "../../lib/aws/aws-access.ts";
import type { FleetCluster } from "../../lib/fleet/fleet.ts";
import { reachOfFleet, trustAnchors } from "../../lib/fleet/vaults.ts";
import { fleetConnections } from "../../lib/hubs/connections.ts";
import type { KubernetesApis } from "../../lib/kubernetes/kubernetes-apis.ts";
import type { TrustAnchors } from "../../lib/ports/fleet-vault.ts";
import { NOTHING_NAMED, type ReachOf } from "../../lib/vault-reach.ts";
import type { Base } from "./base.ts";

/** The clusters of the last fleet read, with their connections. */
export interface Clusters extends KubernetesApis {
  /** Reads the fleet again if it is too old, at the start of an invocation. */
  refresh(): Promise<void>;
  fleet(name: string): FleetCluster | undefined;
  /** Which Vaults a cluster's resources may name. */
  readonly reachOf: ReachOf;
  readonly anchors: TrustAnchors;
  /** Ends the connections to a cluster, or to a place of a hub. */
  forget(place: string): void;
}

export function clustersOf({ clock, log, fleet }: Base): Clusters {
  let reachOf: ReachOf = () => NOTHING_NAMED;
  const connect = { files: fleet.files, clock, aws: awsAccess(clock), mayExec: false };
  const { clients, apis } = fleetConnections({ fleet: fleet.live, connect, clock, log });
  return {
    ...apis,
    forget: clients.forget,
    fleet: (name) => fleet.known()?.find(name),
    reachOf: (cluster) => reachOf(cluster),
    anchors: trustAnchors(() => fleet.known()?.current().vaults ?? [], fleet.files),
    async refresh() {
      const before = fleet.known()?.current();
      const found = await fleet.current();
      if (found === before) return;
      for (const { name, connect } of before?.clusters ?? []) {
        if (!isDeepStrictEqual(fleet.live().find(name)?.connect, connect)) clients.forget(name);
      }
      reachOf = reachOfFleet(() => found);
    },
  };
}
