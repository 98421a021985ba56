import { circuitOfVault } from "../circuits.ts";
import { HOUR_MS } from "../clock.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";

/**
 * How long the leases of what left the fleet, or can't be reached, are renewed, in ms, before they are revoked, unless
 * fleet.yaml says otherwise for their Vault (lease-table 28).
 */
const RETENTION_MS = 24 * HOUR_MS;

/** By the circuit of the row's Vault; before the first settle it is not known, and the longest counts. */
export function retentionOf(circuit: string | undefined, vaults: readonly FleetVault[] = []): number {
  if (circuit === undefined && vaults.length > 0)
    return Math.max(...vaults.map(({ retentionMs = RETENTION_MS }) => retentionMs));
  const known = vaults.find(({ addresses }) => addresses.some((address) => circuitOfVault(address) === circuit));
  return known?.retentionMs ?? RETENTION_MS;
}
