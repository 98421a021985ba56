import { resolveStaticSecret } from "../declarations/resolve.ts";
import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { Circuits } from "./circuit.ts";
import type { ReconcileDeps } from "./deps.ts";
import type { ClusterSettings, KeptToken, Row } from "./ports.ts";
import { referenceReader, withReferences } from "./references.ts";

/** Rows that are read at once when a token's next user is looked for. */
const ROWS_AT_ONCE = 100;

type Deps = Pick<ReconcileDeps, "leases" | "vault" | "fleet" | "log">;

/**
 * Ends the tokens of identities that nothing declared leads to any more: their VaultAuth changed or went, their last sync
 * did, or their cluster left the fleet. Judged by what is declared, so that it may be asked for at any time, twice or late. What
 * can't be ended now stays for the next time. Without a cluster: of all.
 */
export async function sweepTokens(
  deps: Deps,
  circuits: Pick<Circuits, "openAmong">,
  cluster: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const kept = await deps.vault.tokens.kept(cluster);
  const byCluster = Map.groupBy(kept, ({ by }) => partsOf(by).cluster);
  for (const [name, ofCluster] of byCluster) {
    const settings = deps.fleet(name);
    const users: Users = settings ? await usersOf(deps, settings, ofCluster) : new Map();
    for (const token of ofCluster) {
      if (signal.aborted) return;
      const user = users.get(token.id);
      if (user === undefined) await end(deps, circuits, token, signal);
      else if (user !== token.by) await deps.vault.tokens.keepFor(token, user);
    }
  }
}

/** By identity: a sync that logs in as it. */
type Users = Map<string, SyncKey>;

/** Mostly the sync that a token was obtained for is still there: one row, and what it refers to. */
async function usersOf(deps: Deps, settings: ClusterSettings, kept: readonly KeptToken[]): Promise<Users> {
  const wanted = new Map(kept.map(({ id, by }) => [id, by]));
  const users: Users = new Map();
  await findUsers(deps, settings, [...new Set(kept.map(({ by }) => by))], "eventual", wanted, users);
  if (users.size === wanted.size) return users;
  const keys = (await deps.leases.byCluster(settings.name)).map(({ key }) => key).filter((key) => !isCleanupKey(key));
  for (let from = 0; from < keys.length && users.size < wanted.size; from += ROWS_AT_ONCE) {
    await findUsers(deps, settings, keys.slice(from, from + ROWS_AT_ONCE), "strong", wanted, users);
  }
  return users;
}

async function findUsers(
  { leases }: Deps,
  settings: ClusterSettings,
  keys: readonly SyncKey[],
  consistency: "strong" | "eventual",
  wanted: ReadonlyMap<string, SyncKey>,
  users: Users,
): Promise<void> {
  const reader = referenceReader(leases, consistency);
  const identityOf = async ({ declared }: Row): Promise<string | undefined> => {
    const { outcome } = await withReferences(reader, (reference) =>
      resolveStaticSecret({ declared, cluster: settings, reference }),
    );
    return outcome instanceof SyncError ? undefined : outcome.identity.id;
  };
  const rows = await leases.read(keys, consistency);
  await Promise.all(
    [...rows.values()].map(async (row) => {
      const id = row.declared.deleting ? undefined : await identityOf(row);
      if (id === undefined || !wanted.has(id)) return;
      if (!users.has(id) || wanted.get(id) === row.key) users.set(id, row.key);
    }),
  );
}

async function end(
  deps: Deps,
  circuits: Pick<Circuits, "openAmong">,
  token: KeptToken,
  signal: AbortSignal,
): Promise<void> {
  // A Vault that is out of reach would cost a time-out for each.
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
