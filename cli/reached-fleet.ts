import { awsAccess } from "../lib/aws/aws-access.ts";
import { systemClock } from "../lib/clock.ts";
import { lazyVault } from "../lib/connect/lazy-vault.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import { reachOfFleet } from "../lib/fleet/vaults.ts";
import type { ComposedFleet } from "../lib/hubs/compose.ts";
import { fleetConnections } from "../lib/hubs/connections.ts";
import { liveFleet } from "../lib/hubs/live-fleet.ts";
import type { ClusterClients } from "../lib/kubernetes/cluster-client.ts";
import type { KubernetesApis } from "../lib/kubernetes/kubernetes-apis.ts";
import type { ClusterAccess } from "../lib/ports/cluster-access.ts";
import type { FleetFiles } from "../lib/ports/fleet-files.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import type { Log } from "../lib/ports/telemetry.ts";
import { hubPasses } from "./run-fleet.ts";

export interface ReachedFleetOptions {
  readonly own: Fleet;
  readonly files: FleetFiles;
  /** In memory: what hubs say is stored there. */
  readonly leases: LeaseStore;
  readonly log: Log;
  /** Whether kubeconfigs may run programs. */
  readonly mayExec: boolean;
}

/** The clusters of a fleet at one time, for commands that end: each hub is read once. */
export async function reachedFleet(
  { own, files, leases, log, mayExec }: ReachedFleetOptions,
  signal: AbortSignal,
): Promise<{
  readonly clients: ClusterClients;
  readonly apis: KubernetesApis;
  readonly access: (name: string) => Promise<ClusterAccess>;
  /** By what was stored of the hubs, before they were read. */
  readonly stored: ComposedFleet;
  readonly fleet: ComposedFleet;
  readonly close: () => Promise<void>;
}> {
  const clock = systemClock;
  const fleet = liveFleet(own, leases);
  const stored = await fleet.take(own);
  const reachOf = reachOfFleet(fleet.current);
  // Nothing is stored: such a command has tokens of its own.
  const access = lazyVault(() => ({ clock, log, files, reachOf, vaults: () => fleet.current().vaults }));
  const connect = { files, clock, aws: awsAccess(clock), vault: access.open, mayExec };
  const { clients, apis, access: clusterAccess } = fleetConnections({ fleet: () => fleet, connect, log });
  const deps = { ...apis, leases, clock, log, forget: clients.forget };
  await hubPasses({ deps, file: { current: () => own }, fleet, accepted: new Set() }).all(signal);
  const close = async (): Promise<void> => {
    clients.close();
    await access.close();
  };
  return { clients, apis, access: clusterAccess, stored, fleet: fleet.current(), close };
}
