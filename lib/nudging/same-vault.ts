import { SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { parallel } from "../util/parallel.ts";

/** For one Vault. */
const TIMEOUT_MS = 5 * SECOND_MS;

/**
 * Names of fleet.yaml that lead to one Vault, each group in order. Its events would find the rows of one name only. A
 * Vault that does not answer, or is sealed, is left out.
 */
export async function namesOfOneVault(
  vaults: readonly FleetVault[],
  clusterIdOf: (target: VaultTarget) => Promise<string | undefined>,
): Promise<readonly (readonly string[])[]> {
  if (vaults.length < 2) return [];
  const known = await parallel(vaults, async (vault) => ({ name: vault.name, id: await idOf(vault, clusterIdOf) }));
  const groups = Map.groupBy(
    known.filter(({ id }) => id !== undefined),
    ({ id }) => id,
  );
  return [...groups.values()].filter(({ length }) => length > 1).map((group) => group.map(({ name }) => name));
}

async function idOf(
  { name, addresses: [address], caFile }: FleetVault,
  clusterIdOf: (target: VaultTarget) => Promise<string | undefined>,
): Promise<string | undefined> {
  if (address === undefined) return undefined;
  const trusts = caFile === undefined ? {} : { caOf: name };
  try {
    return await clusterIdOf({ address, headers: {}, skipTlsVerify: false, timeoutMs: TIMEOUT_MS, ...trusts });
  } catch (error) {
    if (error instanceof SyncError) return undefined;
    throw error;
  }
}

/** Warns in the log of names that lead to one Vault. Never fails. */
export async function warnOfOneVault(
  { vault, log }: Pick<ReconcileDeps, "vault" | "log">,
  ca: CaCache,
  vaults: readonly FleetVault[],
  signal: AbortSignal,
): Promise<void> {
  const clusterIdOf = async (target: VaultTarget) => vault.clusterId(await ca.resolve(target, signal), signal);
  try {
    for (const names of await namesOfOneVault(vaults, clusterIdOf)) {
      const remedy =
        "give it one name under vaults in fleet.yaml, with all its addresses: events find syncs by that name";
      log.warn("vault-named-twice", { vaults: names, remedy });
    }
  } catch (error) {
    if (signal.aborted) return;
    log.error("vault-names-check-crashed", described(error));
  }
}
