import { normalAddress } from "./vault-address.ts";

/** Which Vaults the resources of a cluster may make us connect to, by fleet.yaml. */
export interface VaultReach {
  /** Addresses in fleet.yaml, as `normalAddress` spells them: allowed anywhere. */
  readonly named: readonly string[];
  /** Only the named ones. Otherwise also public and private hosts, checked by their resolved IP addresses. */
  readonly onlyNamed: boolean;
  /** The proxies in fleet.yaml, by the named addresses that are reached through them. May hold passwords. */
  readonly proxies?: ReadonlyMap<string, string>;
  /** AWS's token service in fleet.yaml: allowed anywhere. */
  readonly stsEndpoint?: string;
  /** Whether a service account's token must have an audience of the service that it is sent to. */
  readonly requiresAudiences?: boolean;
}

/** The default, also for a cluster that left the fleet. */
export const NOTHING_NAMED: VaultReach = { named: [], onlyNamed: false };

/** The reach of each cluster; undefined stands for an unknown cluster. */
export type ReachOf = (cluster: string | undefined) => VaultReach;

/**
 * How this Vault may be reached: `named` in fleet.yaml without further checks, `checked` by a connection that checks
 * the IP address, or not at all. fleet.yaml names an address with its path, not every service of that host.
 */
export function wayTo({ named, onlyNamed }: VaultReach, address: string): "named" | "checked" | undefined {
  if (named.includes(address)) return "named";
  return onlyNamed ? undefined : "checked";
}

/**
 * The same for the AWS token service of a VaultAuth. Where only named addresses are allowed, AWS's own hosts are too.
 */
export function wayToSts(reach: VaultReach, endpoint: string, ownHost: string): "named" | "checked" | undefined {
  const address = normalAddress(endpoint);
  if (address === reach.stsEndpoint) return "named";
  return reach.onlyNamed && address !== `https://${ownHost}` ? undefined : "checked";
}
