import { vaultName } from "../declarations/source.ts";
import type { SyncKey } from "../keys.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import { type Place, type Pushed, pushPlace, type Row, type RowState } from "../ports/rows.ts";
import type { LeaseStore, PathTaken } from "../ports/store.ts";

/**
 * Those of fleet.yaml. A row records its paths under what that calls their Vault: its name, or its address while it has
 * none. A Vault that is named later is the same one, so runs see all paths under its present name.
 */
export type Vaults = readonly FleetVault[] | undefined;

/** The row with its pushed paths under the present names of their Vaults, each once. */
export function underPresentNames(row: Row, vaults: Vaults): Row {
  const { pushed = [] } = row.state;
  if (pushed.every(({ vault }) => vaultName(vaults, vault) === vault)) return row;
  const paths = new Map<string, Pushed>();
  for (const path of pushed) {
    const present = { ...path, vault: vaultName(vaults, path.vault) };
    const id = pathId(present);
    const known = paths.get(id);
    // Under the present name it was written last, if it was written.
    const counts = known === undefined || !isUsed(known) || (isUsed(path) && path.vault === present.vault);
    if (counts) paths.set(id, present);
  }
  return { ...row, state: { ...row.state, pushed: [...paths.values()] } };
}

/** The row with its paths as they were read, if a name was another one there. */
export function withNamesOf(row: Row, read: Row, vaults: Vaults): Row {
  const { pushed } = read.state;
  if (pushed === undefined || underPresentNames(read, vaults) === read) return row;
  return { ...row, state: { ...row.state, pushed } };
}

/**
 * The state to store: a path keeps the name under which the row has claimed it, unless it has claimed the present one
 * too. So no path is stored that another row may claim. `claimed`: the state as the claim left it.
 */
export function underClaimedNames(state: RowState, claimed: RowState, vaults: Vaults): RowState {
  const { pushed } = state;
  const held = claimed.pushed ?? [];
  if (pushed === undefined || held.every(({ vault }) => vaultName(vaults, vault) === vault)) return state;
  const has = new Set(held.map(pathId));
  const former = new Map(held.map((path) => [pathId({ ...path, vault: vaultName(vaults, path.vault) }), path.vault]));
  const named = (path: Pushed): Pushed => {
    const id = pathId(path);
    return has.has(id) ? path : { ...path, vault: former.get(id) ?? path.vault };
  };
  return { ...state, pushed: pushed.map(named) };
}

/** The paths of a row, and those that it takes with one claim: that is one transaction. */
export const MAX_PATHS = 90;
/** With one that needs no more paths than it has, so that a row with many gets rid of them. */
export const MOST_PATHS = 97;

/**
 * The paths that a claim takes: those that the row has not, and those that it has under another name of their Vault. A
 * row with very many paths takes the present names with its next claims. `read`: as it is stored.
 */
export function toClaim(row: Row, read: Row, paths: readonly Pushed[]): readonly Pushed[] {
  const fresh = unclaimed(row, paths);
  const room = Math.max(0, MAX_PATHS - (read.state.pushed ?? []).length - fresh.length);
  const renamed = unclaimed(read, paths).filter((path) => !fresh.includes(path));
  return [...fresh, ...renamed.slice(0, room)];
}

/** Paths that the row has not claimed before. */
export function unclaimed({ state: { pushed = [] } }: Pick<Row, "state">, paths: readonly Pushed[]): readonly Pushed[] {
  const known = new Set(pushed.map(pathId));
  return paths.filter((path) => !known.has(pathId(path)));
}

/**
 * Which of these paths another row has claimed under another name of their Vault, if any: it has not run since
 * fleet.yaml names that. The index is only a hint, so the row itself is read.
 */
export async function takenUnderOtherName(
  leases: Pick<LeaseStore, "byPlace" | "read">,
  key: SyncKey,
  paths: readonly Pushed[],
  vaults: Vaults = [],
): Promise<PathTaken | undefined> {
  for (const path of paths) {
    for (const vault of vaults.find(({ name }) => name === path.vault)?.addresses ?? []) {
      const taken = pushPlace({ ...path, vault });
      const by = await holderOf(leases, key, taken);
      if (by !== undefined) return { taken, by };
    }
  }
  return undefined;
}

/** Another row that has claimed the path under this name of its Vault, if any. */
export async function holderOf(
  leases: Pick<LeaseStore, "byPlace" | "read">,
  key: SyncKey,
  { vault, path }: Place,
): Promise<SyncKey | undefined> {
  const { items } = await leases.byPlace(vault, { path });
  const others = items.filter((entry) => entry.role === "push" && entry.key !== key && entry.path === path);
  if (others.length === 0) return undefined;
  const rows = await leases.read(
    others.map((entry) => entry.key),
    "strong",
  );
  const holds = ({ state: { pushed = [] } }: Row) =>
    pushed.some((one) => one.vault === vault && pushPlace(one).path === path);
  return [...rows.values()].find(holds)?.key;
}

function isUsed({ digest, writing }: Pushed): boolean {
  return digest !== undefined || writing !== undefined;
}

function pathId(pushed: Pushed): string {
  return JSON.stringify(pushPlace(pushed));
}
