import { vaultOfCircuit } from "../circuits.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterState } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import { normalAddress } from "../vault-address.ts";
import type { DiscoveryDeps } from "./deps.ts";

/** Rows that are nudged at once. */
const PAGE = 500;

/** Names of Vaults in fleet.yaml, by address. */
type Names = Readonly<Record<string, string>>;

/**
 * Events find rows by their Vault's name in fleet.yaml, or by its address where it has none. Nudges the rows of Vaults
 * whose name or address changed since the last watch pass: their next run stores where they are now.
 */
export async function placeAnew(
  deps: Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">,
  { name: cluster, vaults = [] }: Pick<ClusterSettings, "name" | "vaults">,
  { vaultNames: before = {} }: ClusterState,
): Promise<Pick<ClusterState, "vaultNames">> {
  const now: Names = Object.fromEntries(
    vaults.flatMap(({ name, addresses }) => addresses.map((address) => [address, name] as const)),
  );
  const changed = new Set([...Object.keys(before), ...Object.keys(now)].filter((at) => before[at] !== now[at]));
  if (changed.size > 0) await nudgeRowsOf(deps, cluster, changed);
  return Object.keys(now).length === 0 ? {} : { vaultNames: now };
}

async function nudgeRowsOf(
  { leases, queue, clock, log }: Pick<DiscoveryDeps, "leases" | "queue" | "clock" | "log">,
  cluster: string,
  changed: ReadonlySet<string>,
): Promise<void> {
  const isMeant = (circuit: string | undefined): boolean => {
    const address = circuit === undefined ? undefined : vaultOfCircuit(circuit);
    return address !== undefined && changed.has(normalAddress(address));
  };
  const keys = (await leases.byCluster(cluster)).filter(({ waitsFor }) => isMeant(waitsFor)).map(({ key }) => key);
  for (let from = 0; from < keys.length; from += PAGE) {
    const dues = await leases.nudgeAll(keys.slice(from, from + PAGE), { now: clock(), verify: false });
    await sendDue(queue, dues, clock());
  }
  if (keys.length > 0) log.info("vault-names-changed", { cluster, syncs: keys.length });
}
