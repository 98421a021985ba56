import { circuitOfVault } from "../circuits.ts";
import { checkReference } from "../declarations/check-reference.ts";
import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { referenceReader, withReferences } from "../references/references.ts";
import { referringTo } from "../references/referring.ts";
import { addressAlone } from "./vault-outage.ts";

/** How many rows are read to find the ways to a Vault. */
const MAX_ROWS = 32;

type Deps = Pick<ReconcileDeps, "leases" | "fleet" | "log">;

/**
 * The ways to this Vault, by the current VaultConnections of all clusters, without changed addresses, unreadable rows
 * and clusters that left the fleet. Limited, and from each namespace in turn, so that no tenant can crowd out others;
 * another `rotation` starts with others.
 */
export async function vaultTargets(deps: Deps, circuit: string, rotation: number): Promise<readonly VaultTarget[]> {
  const keys = (await referringTo(deps.leases, `circuit:${circuit}`)).filter((key) => !isCleanupKey(key));
  const rows = await deps.leases.read(inRotation(keys, rotation).slice(0, MAX_ROWS), "eventual");
  const reader = referenceReader(deps.leases, "eventual");
  const targets: VaultTarget[] = [];
  for (const { key, declared } of rows.values()) {
    const { cluster } = partsOf(key);
    const settings = deps.fleet(cluster);
    if (settings === undefined || declared.deleting) continue;
    const { outcome } = await withReferences(reader, (reference) =>
      checkReference({ declared, cluster: settings, reference }),
    );
    if (outcome instanceof SyncError) deps.log.debug("vault-way-passed-over", { circuit, key, code: outcome.code });
    else if (outcome.vault?.circuit === circuit) targets.push(outcome.vault.target);
  }
  return targets.length > 0 ? targets : targetsOfFleet(deps, circuit);
}

/**
 * The way to a Vault that fleet.yaml names: no VaultConnection has to lead there, since a cluster may name it, or its
 * tokens may come from there.
 */
async function targetsOfFleet(deps: Deps, circuit: string): Promise<readonly VaultTarget[]> {
  for (const { name } of await deps.leases.clusters()) {
    const addresses = deps.fleet(name)?.vaults?.flatMap((vault) => vault.addresses) ?? [];
    const address = addresses.find((one) => circuitOfVault(one) === circuit);
    if (address !== undefined) return [addressAlone(address)];
  }
  return [];
}

/** One of each namespace, then the next of each. */
function inRotation(keys: readonly SyncKey[], rotation: number): readonly SyncKey[] {
  const groups = [...Map.groupBy(keys, namespaceOf).values()];
  const rounds = Math.max(0, ...groups.map(({ length }) => length));
  const begin = groups.length === 0 ? 0 : rotation % groups.length;
  const rotated = [...groups.slice(begin), ...groups.slice(0, begin)];
  return Array.from({ length: rounds }, (_, round) =>
    rotated.flatMap((group) => (round < group.length ? (group[(round + rotation) % group.length] ?? []) : [])),
  ).flat();
}

function namespaceOf(key: SyncKey): string {
  const { cluster, namespace } = partsOf(key);
  return `${cluster}/${namespace}`;
}
