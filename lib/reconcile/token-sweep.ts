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

/** Rows that are read at once when a token's next user is looked for. */
const ROWS_AT_ONCE = 100;

interface Deps extends Pick<ReconcileDeps, "leases" | "vault" | "fleet" | "log" | "metrics"> {
  readonly kinds: KindRegistry;
}

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
  const kept = await deps.vault.tokens.kept(cluster === undefined ? undefined : scopeOfCluster(cluster));
  const byScope = Map.groupBy(kept.filter(isOfSync), ({ scope }) => scope);
  for (const [scope, ofScope] of byScope) {
    const settings = deps.fleet(clusterOfScope(scope) ?? "");
    const users = settings ? await usersOf(deps, settings, ofScope) : NOBODY;
    for (const token of ofScope) {
      if (signal.aborted) return;
      await unlessBug(deps, token.by, () => sweepOne(deps, circuits, token, users, signal));
    }
  }
}

/** What was obtained for a sync. Tokens of the fleet are judged by what fleet.yaml says, not by what is declared. */
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
  // Who could not be checked may be the one who needs it.
  else if (isWhole) await end(deps, circuits, token, signal);
}

/** One row or token that makes us fail in a way which nobody foresaw must not end the sweep of all others. */
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
  /** By identity: a sync that logs in as it. */
  readonly found: Map<string, SyncKey>;
  /** Every row that was asked could be checked. */
  isWhole: boolean;
}

const NOBODY: Users = { found: new Map(), isWhole: true };

/** Mostly the sync that a token was obtained for is still there: one row, and what it refers to. */
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
