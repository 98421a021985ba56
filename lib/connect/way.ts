import type { AwsAccess } from "../aws/aws-access.ts";
import type { Clock } from "../clock.ts";
import type { HubAccess } from "../hubs/objects/login.ts";
import type { ClusterAccess } from "../ports/cluster-access.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { AccessFor } from "./access-for.ts";
import type { HubCopies } from "./hub-copies.ts";
import type { VaultAccess } from "./vault-access.ts";

/** What the ways need; parts that only some of them need are opened on first use. */
export interface ConnectDeps {
  /** The files that fleet.yaml names. */
  readonly files: FleetFiles;
  readonly clock: Clock;
  /** AWS, for clusters in EKS. */
  readonly aws: AwsAccess;
  /** Whether kubeconfigs may run programs (exec plugins): there are none where functions run. */
  readonly mayExec: boolean;
  /** The Vaults of fleet.yaml, for ways that need one; opened by the first of them. */
  readonly vault?: () => Promise<VaultAccess>;
  /** Reads objects of hubs; missing where no hub is known. */
  readonly hubs?: HubObjects;
  /** What hubs last said, for times when they are away; missing: nothing is kept. */
  readonly copies?: HubCopies;
}

/** The objects of the fleet's hubs, read anew each time. */
export interface HubObjects {
  /** How the object's cluster is reached. Throws a SyncError when the hub or the object can't be read. */
  access(hub: string, object: string): Promise<HubAccess>;
  /** A key of a Secret of the hub. */
  secretKey(hub: string, secret: { readonly namespace: string; readonly name: string }, key: string): Promise<string>;
}

/**
 * How to reach and log in to a cluster. Called for its first request, before `expiresAt`, and once after a 401: fresh
 * credentials each time. Throws a SyncError that names what is missing; its caller adds the cluster's name.
 */
export type Way<C> = (connect: C, deps: ConnectDeps, access: AccessFor) => Promise<ClusterAccess>;
