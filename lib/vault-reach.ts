import { normalAddress } from "./vault-address.ts";

/** Which Vaults the resources of one cluster may have us connect to, as fleet.yaml says. */
export interface VaultReach {
  /** Addresses that fleet.yaml names, in the spelling of `normalAddress`: allowed wherever they lie. */
  readonly named: readonly string[];
  /** Nothing but these. Otherwise public and private hosts as well, checked by the IP addresses that they resolve to. */
  readonly onlyNamed: boolean;
  /** AWS's token service as fleet.yaml names it: allowed wherever it lies. */
  readonly stsEndpoint?: string;
}

/** What holds for a cluster that the fleet does not have any more, and where nobody says anything. */
export const NOTHING_NAMED: VaultReach = { named: [], onlyNamed: false };

/** Reaching as fleet.yaml says for each cluster; undefined is a target whose cluster is not known. */
export type ReachOf = (cluster: string | undefined) => VaultReach;

/**
 * How Vault at this base URL may be asked: one that fleet.yaml names without further questions, others by a connection that checks the
 * IP address, or not at all. What is named is an address with its path: not every service of that host.
 */
export function wayTo({ named, onlyNamed }: VaultReach, address: string): "named" | "checked" | undefined {
  if (named.includes(address)) return "named";
  return onlyNamed ? undefined : "checked";
}

/** The same for the token service of AWS that a VaultAuth names; where only what is named may be asked, so may AWS's own hosts. */
export function wayToSts(reach: VaultReach, endpoint: string, ownHost: string): "named" | "checked" | undefined {
  const address = normalAddress(endpoint);
  if (address === reach.stsEndpoint) return "named";
  return reach.onlyNamed && address !== `https://${ownHost}` ? undefined : "checked";
}
