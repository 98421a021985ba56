import type { z } from "zod";
import { parseDuration } from "../duration.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import type { VaultEvents } from "../ports/vault-events.ts";
import { normalAddress } from "../vault-address.ts";
import { vaultEvents } from "./events-schema.ts";
import type { vaults as vaultsSchema } from "./vault-schema.ts";

/** A Vault of fleet.yaml. */
export interface NamedVault extends FleetVault {
  readonly maxRequestDurationMs: number;
  readonly retentionMs: number;
  /** Where its audit lines come from. Missing: only refreshes notice its changes. */
  readonly events?: VaultEvents;
}

/** Converts durations to ms and normalises addresses. */
export function namedVaults(parsed: z.infer<typeof vaultsSchema>): readonly NamedVault[] {
  return parsed.map(({ addresses, maxRequestDuration, retention, events, ...vault }) => ({
    ...(vault as Pick<FleetVault, "name" | "caFile" | "proxy" | "namespace" | "identities" | "requestsPerSecond">),
    addresses: addresses.map(normalAddress),
    maxRequestDurationMs: parseDuration(maxRequestDuration) ?? 0,
    retentionMs: parseDuration(retention) ?? 0,
    ...(events === undefined ? {} : { events: vaultEvents(events) }),
  }));
}

/** The same Vaults as syncs know them: a change of inlets must not renew a sync or restart a watch. */
export function withoutEvents(vaults: readonly NamedVault[]): readonly NamedVault[] {
  if (vaults.every(({ events }) => events === undefined)) return vaults;
  return vaults.map(({ events: _events, ...vault }) => vault);
}
