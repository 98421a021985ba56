import type { z } from "zod";
import { parseDuration } from "../duration.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import { normalAddress } from "../vault-address.ts";
import type { vaults as vaultsSchema } from "./vault-schema.ts";

/** A Vault of fleet.yaml, with fields that only later versions use. */
export interface NamedVault extends FleetVault {
  readonly maxRequestDurationMs: number;
  readonly retentionMs: number;
}

/** Converts durations to ms and normalises addresses. */
export function namedVaults(parsed: z.infer<typeof vaultsSchema>): readonly NamedVault[] {
  return parsed.map(({ addresses, maxRequestDuration, retention, ...vault }) => ({
    ...(vault as Pick<FleetVault, "name" | "caFile" | "proxy" | "namespace" | "identities" | "requestsPerSecond">),
    addresses: addresses.map(normalAddress),
    maxRequestDurationMs: parseDuration(maxRequestDuration) ?? 0,
    retentionMs: parseDuration(retention) ?? 0,
  }));
}
