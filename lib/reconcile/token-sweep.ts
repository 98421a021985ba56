import { described } from "../described.ts";
import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { KindRegistry } from "../kinds/registry.ts";
import type { Circuits } from "../outage/circuit.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row } from "../ports/rows.ts";
import type { KeptToken } from "../ports/tokens.ts";
import { referenceReader, withReferences } from "../references/references.ts";
import { clusterOfScope, scopeOfCluster } from "../token-scope.ts";

/** How many rows are read at once to find another user of a token. */
const ROWS_AT_ONCE = 100;

interface Deps extends Pick<ReconcileDeps, "leases" | "vault" | "fleet" | "isFleetIncomplete" | "log" | "metrics"> {
  readonly kinds: KindRegistry;
}

/**
 * Revokes tokens of identities that no declaration uses any more: their VaultAuth changed or is gone, their last sync
 * is gone, or their cluster left the fleet. Checks only declarations, so it may run at any time, twice or late. What
 * can't be revoked now stays for the next sweep. Without a cluster: all.
 */
export async function sweepTokens(
  deps: Deps,
  circuits: Pick<Circuits, "openAmong">,
  cluster: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const kept = await deps.vault.tokens.kept(cluster === undefined ? undefined : scopeOfCluster(cluster));
  const byScope = Map.groupBy(kept.filter(isOfSync), ({ scope }) => scope);
  for (const [scope, ofScope] of byScope) {
    const settings = deps.fleet(clusterOfScope(scope) ?? "");
    const users = settings ? await usersOf(deps, settings, ofScope) : usersOfMissing(deps);
    for (const token of ofScope) {
      if (signal.aborted) return;
      await unlessBug(deps, token.by, () => sweepOne(deps, circuits, token, users, signal));
    }
  }
}

/** A sync's token. Tokens of the fleet depend on fleet.yaml, not on declarations. */
interface SyncToken extends KeptToken {
  readonly by: SyncKey;
}

function isOfSync(token: KeptToken): token is SyncToken {
  return token.by !== undefined;
}

async function sweepOne(
  deps: Deps,
  circuits: Pick<Circuits, "openAmong">,
  token: SyncToken,
  { found, isWhole }: Users,
  signal: AbortSignal,
): Promise<void> {
  const user = found.get(token.id);
  if (user === token.by) return;
  if (user !== undefined) await deps.vault.tokens.keepFor(token, user);
  // A row that can't be seen may still need the token.
  else if (isWhole) await end(deps, circuits, token, signal);
}

/** A bug that one row or token triggers must not end the sweep of the others. */
async function unlessBug(deps: Deps, key: SyncKey, work: () => Promise<void>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (error instanceof SyncError) throw error;
    deps.log.error("token-crashed", { key, ...described(error) });
    deps.metrics.count("keyferry_bugs_total", {});
    return false;
  }
}

interface Users {
  /** By identity: a sync that uses it. */
  readonly found: Map<string, SyncKey>;
  /** Whether every row that may use them could be checked. */
  isWhole: boolean;
}

/** Of a cluster that is not in the fleet: nobody, unless it belongs to a hub that was not read yet. */
function usersOfMissing({ isFleetIncomplete }: Deps): Users {
  return { found: new Map(), isWhole: !isFleetIncomplete?.() };
}

/** Usually the token's sync still exists: one row, and its references. */
async function usersOf(deps: Deps, settings: ClusterSettings, kept: readonly SyncToken[]): Promise<Users> {
  const wanted = new Map(kept.map(({ id, by }) => [id, by]));
  const users: Users = { found: new Map(), isWhole: true };
  await findUsers(deps, settings, [...new Set(kept.map(({ by }) => by))], "eventual", wanted, users);
  if (users.found.size === wanted.size) return users;
  const keys = (await deps.leases.byCluster(settings.name)).map(({ key }) => key).filter((key) => !isCleanupKey(key));
  for (let from = 0; from < keys.length && users.found.size < wanted.size; from += ROWS_AT_ONCE) {
    await findUsers(deps, settings, keys.slice(from, from + ROWS_AT_ONCE), "strong", wanted, users);
  }
  return users;
}

async function findUsers(
  deps: Deps,
  settings: ClusterSettings,
  keys: readonly SyncKey[],
  consistency: "strong" | "eventual",
  wanted: ReadonlyMap<string, SyncKey>,
  users: Users,
): Promise<void> {
  const { leases } = deps;
  const reader = referenceReader(leases, consistency);
  const identityOf = async ({ declared }: Row): Promise<string | undefined> => {
    const kind = deps.kinds.of(partsOf(declared.key).kind);
    if (kind === undefined) return undefined;
    const { outcome } = await withReferences(reader, (reference) =>
      kind.resolve({ declared, cluster: settings, reference }),
    );
    return outcome instanceof SyncError ? undefined : outcome.asks?.identity.id;
  };
  const rows = await leases.read(keys, consistency);
  await Promise.all(
    [...rows.values()].map(async (row) => {
      const wasChecked = await unlessBug(deps, row.key, async () => {
        const id = row.declared.deleting ? undefined : await identityOf(row);
        if (id === undefined || !wanted.has(id)) return;
        if (!users.found.has(id) || wanted.get(id) === row.key) users.found.set(id, row.key);
      });
      if (!wasChecked) users.isWhole = false;
    }),
  );
}

async function end(
  deps: Deps,
  circuits: Pick<Circuits, "openAmong">,
  token: SyncToken,
  signal: AbortSignal,
): Promise<void> {
  // For a Vault that is out of reach, each revocation would cost a time-out.
  if (await circuits.openAmong([token.circuit])) return;
  const { cluster } = partsOf(token.by);
  try {
    await deps.vault.tokens.end(token, signal);
    deps.log.info("vault-token-revoked", { cluster, by: token.by });
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    deps.log.warn("vault-token-not-revoked", { cluster, code: error.code, message: error.message });
  }
}
