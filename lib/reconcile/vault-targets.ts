import { judge } from "../declarations/judge.ts";
import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "./deps.ts";
import type { VaultTarget } from "./ports.ts";
import { referenceReader, withReferences } from "./references.ts";
import { referringTo } from "./referring.ts";

/** Rows that are read to find out how a Vault is reached. */
const MAX_ROWS = 32;

type Deps = Pick<ReconcileDeps, "leases" | "fleet" | "log">;

/**
 * How this Vault is reached, as the VaultConnections of all clusters say now: whose address changed, what can't be read, and
 * clusters that left the fleet have no part in it. At most so many, of each namespace in turn, so that nobody's crowd keeps the
 * others out; another `turn` begins with others.
 */
export async function vaultTargets(deps: Deps, circuit: string, turn: number): Promise<readonly VaultTarget[]> {
  const keys = (await referringTo(deps.leases, `circuit:${circuit}`)).filter((key) => !isCleanupKey(key));
  const rows = await deps.leases.read(inTurn(keys, turn).slice(0, MAX_ROWS), "eventual");
  const reader = referenceReader(deps.leases, "eventual");
  const targets: VaultTarget[] = [];
  for (const { key, declared } of rows.values()) {
    const { cluster } = partsOf(key);
    const settings = deps.fleet(cluster);
    if (settings === undefined || declared.deleting) continue;
    const { outcome } = await withReferences(reader, (reference) => judge({ declared, cluster: settings, reference }));
    if (outcome instanceof SyncError) deps.log.debug("vault-way-passed-over", { circuit, key, code: outcome.code });
    else if (outcome.vault?.circuit === circuit) targets.push(outcome.vault.target);
  }
  return targets;
}

/** One of each namespace, then the next of each. */
function inTurn(keys: readonly SyncKey[], turn: number): readonly SyncKey[] {
  const groups = [...Map.groupBy(keys, placeOf).values()];
  const rounds = Math.max(0, ...groups.map(({ length }) => length));
  const begin = groups.length === 0 ? 0 : turn % groups.length;
  const turned = [...groups.slice(begin), ...groups.slice(0, begin)];
  return Array.from({ length: rounds }, (_, round) =>
    turned.flatMap((group) => (round < group.length ? (group[(round + turn) % group.length] ?? []) : [])),
  ).flat();
}

function placeOf(key: SyncKey): string {
  const { cluster, namespace } = partsOf(key);
  return `${cluster}/${namespace}`;
}
