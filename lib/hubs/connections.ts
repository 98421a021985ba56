import type { ConnectDeps } from "../connect/way.ts";
import { accessTo } from "../connect/ways.ts";
import { type ClusterClients, clusterClients } from "../kubernetes/cluster-client.ts";
import { type KubernetesApis, kubernetesApis } from "../kubernetes/kubernetes-apis.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import type { Log } from "../ports/telemetry.ts";
import type { LiveFleet } from "./live-fleet.ts";
import { hubObjects } from "./reader.ts";

export interface ConnectionsOptions {
  /** The fleet at the time of a request. */
  readonly fleet: () => Pick<LiveFleet, "reachable" | "hub">;
  readonly connect: Omit<ConnectDeps, "hubs">;
  readonly log: Log;
}

/** The connections to the clusters and hubs of a fleet: those of a hub's clusters read the hub. */
export function fleetConnections({ fleet, connect, log }: ConnectionsOptions): {
  readonly clients: ClusterClients;
  readonly apis: KubernetesApis;
  /** What the connections to a cluster are made of. */
  readonly access: (name: string, isRefused?: boolean) => Promise<ClusterAccess>;
} {
  const { clock } = connect;
  const access = async (name: string, isRefused?: boolean): Promise<ClusterAccess> =>
    accessTo(fleet().reachable(name), { ...connect, hubs }, isRefused);
  const clients = clusterClients({ clock, log, resolve: access });
  const apis = kubernetesApis({ clients, clock, log });
  const hubs = hubObjects({ ...apis, clock }, (name) => fleet().hub(name));
  return { clients, apis, access };
}
