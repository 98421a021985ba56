import { SyncError } from "../errors.ts";
import type { FleetFiles } from "../ports/fleet-files.ts";
import type { FleetVault, TrustAnchors } from "../ports/fleet-vault.ts";
import { normalAddress } from "../vault-address.ts";
import type { BudgetOf, VaultBudget } from "../vault-budget.ts";
import { NOTHING_NAMED, type ReachOf, type VaultReach } from "../vault-reach.ts";
import type { Fleet, FleetCluster } from "./fleet.ts";

/** The addresses of all named Vaults, and the proxies to them. */
type NamedReach = Pick<VaultReach, "named" | "proxies">;

function reachOfCluster({ vault, vaultAddresses }: FleetCluster, all: NamedReach): VaultReach {
  const { address, stsEndpoint, requireAudiences } = vault ?? {};
  return {
    ...all,
    named: address === undefined ? all.named : [...all.named, normalAddress(address)],
    onlyNamed: vaultAddresses === "named",
    ...(stsEndpoint === undefined ? {} : { stsEndpoint: normalAddress(stsEndpoint) }),
    ...(requireAudiences && { requiresAudiences: true }),
  };
}

/**
 * Which Vaults each cluster's resources may name, by the fleet at the time of the call. A cluster outside the fleet may
 * still have tokens to revoke.
 */
export function reachOfFleet(fleet: () => Fleet): ReachOf {
  let known: { readonly of: Fleet; readonly reach: ReachOf } | undefined;
  return (cluster) => {
    const now = fleet();
    if (known?.of !== now) known = { of: now, reach: reachIn(now) };
    return known.reach(cluster);
  };
}

function reachIn({ clusters, vaults }: Fleet): ReachOf {
  const proxies = new Map(
    vaults.flatMap(({ addresses, proxy }) =>
      proxy === undefined ? [] : addresses.map((one) => [one, proxy] as const),
    ),
  );
  const named = vaults.flatMap(({ addresses }) => addresses);
  const all: NamedReach = proxies.size === 0 ? { named } : { named, proxies };
  const byName = new Map(clusters.map((cluster) => [cluster.name, reachOfCluster(cluster, all)]));
  // For probes, which belong to no cluster.
  const everywhere = clusters.flatMap(({ vault }) =>
    vault?.address === undefined ? [] : [normalAddress(vault.address)],
  );
  const others = { ...NOTHING_NAMED, ...all, named: [...named, ...everywhere] };
  return (cluster) => byName.get(cluster ?? "") ?? others;
}

/**
 * The budgets of the Vaults, by the fleet at the time of the call. `processes` is how many may work at once: each gets
 * an equal share, because none of them knows how many others are at work.
 */
export function budgetsOfFleet(fleet: () => Fleet, processes = 1): BudgetOf {
  let known: { readonly of: Fleet; readonly byAddress: ReadonlyMap<string, VaultBudget> } | undefined;
  return (address) => {
    const now = fleet();
    if (known?.of !== now) known = { of: now, byAddress: budgetsIn(now, processes) };
    return known.byAddress.get(address);
  };
}

function budgetsIn({ vaults }: Pick<Fleet, "vaults">, processes: number): ReadonlyMap<string, VaultBudget> {
  return new Map(
    vaults.flatMap(({ name, addresses, requestsPerSecond }) =>
      requestsPerSecond === undefined
        ? []
        : addresses.map((address) => [address, { name, perSecond: requestsPerSecond / processes }] as const),
    ),
  );
}

/** Reads the CA files of the fleet's Vaults. */
export function trustAnchors(vaults: () => readonly FleetVault[], files: FleetFiles): TrustAnchors {
  return async (name) => {
    const path = vaults().find((vault) => vault.name === name)?.caFile;
    if (path === undefined)
      throw new SyncError("REFERENCE_INVALID", `Vault ${name} no longer has a caFile in fleet.yaml`);
    const pem = await files.text(path).catch((error: unknown) => {
      const why = error instanceof SyncError ? error.message : "unknown";
      throw new SyncError("REFERENCE_INVALID", `caFile ${path} of Vault ${name} in fleet.yaml: ${why}`);
    });
    if (pem.includes("-----BEGIN CERTIFICATE-----")) return pem;
    throw new SyncError("REFERENCE_INVALID", `caFile ${path} of Vault ${name} in fleet.yaml holds no PEM certificate`);
  };
}
