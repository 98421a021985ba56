import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { loginId } from "../ports/vault-ids.ts";
import { pushingKind } from "../resource-kinds.ts";
import { scopeOfSync } from "../token-scope.ts";
import { type ActiveToken, activeToken, sameToken } from "./active-token.ts";
import { printableAddress } from "./asked.ts";
import { login } from "./login.ts";
import { singleFlight } from "./single-flight.ts";
import type { FoundToken } from "./token-cache.ts";
import { revokeOwn } from "./token-ending.ts";
import { dropUnused, type Entry, entryOf, hold, type TokenEntries } from "./token-entries.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/** How long a refused login is not repeated, so that the many syncs of one identity don't each log in. */
const LOGIN_COOL_DOWN_MS = 5 * SECOND_MS;
/** The identity that needs a token, and for which sync. */
export interface Asker {
  readonly identity: VaultIdentity;
  /** Missing: its token stays in this process. */
  readonly by?: SyncKey | undefined;
  /** Ignore refusals from before this time: something may have changed since. */
  readonly since?: EpochMs | undefined;
}

/** A token to which Vault answered 403. */
export interface Refused {
  readonly token: ActiveToken;
  /** Whether the token itself is invalid, and not its policies too narrow. */
  readonly hasEnded: boolean;
}

interface Refusal {
  readonly error: SyncError;
  readonly askedAt: EpochMs;
  readonly until: EpochMs;
}

/** Logs in, once for all concurrent callers. */
export function tokenLogins(deps: TokensDeps, entries: TokenEntries) {
  const { clock, cache } = deps;
  const refusals = new Map<string, Refusal>();
  const flights = singleFlight<Entry>();

  const obtained = async (asker: Asker, refused: Refused | undefined, signal: AbortSignal): Promise<Entry> => {
    dropUnused(deps, entries);
    const { identity, by } = asker;
    const found = by && (await cache?.find({ id: identity.id, scope: scopeOfSync(by) }, identity));
    const entry =
      found && isOfUse(found, refused, clock())
        ? hold(entries, entryOf(found.token, clock(), found.stored.by, found.stored.serial), signal)
        : await loggedIn(deps, entries, asker, found?.stored.serial, signal);
    // Other processes with the refused token get its successor when Vault refuses it.
    if (refused !== undefined && !refused.hasEnded && !signal.aborted) await revokeOwn(deps, refused.token);
    return entry;
  };

  const loggingIn = async (asker: Asker, refused: Refused | undefined, signal: AbortSignal): Promise<Entry> => {
    const askedAt = clock();
    try {
      return await obtained(asker, refused, signal);
    } catch (error) {
      if (error instanceof SyncError && error.code === "VAULT_LOGIN_REFUSED") {
        const now = clock();
        for (const [id, { until }] of refusals) if (now >= until) refusals.delete(id);
        refusals.set(loginId(asker.identity), { error, askedAt, until: now + LOGIN_COOL_DOWN_MS });
      }
      throw error;
    }
  };
  /** The remembered refusal of this login, if it is recent enough for the caller. */
  const refusalFor = ({ identity, since = 0 }: Asker): Refusal | undefined => {
    const refusal = refusals.get(loginId(identity));
    return refusal !== undefined && clock() < refusal.until && refusal.askedAt >= since ? refusal : undefined;
  };

  return {
    async run(asker: Asker, refused: Refused | undefined, signal: AbortSignal): Promise<Entry> {
      const known = refusalFor(asker);
      if (known !== undefined) throw known.error;
      const login = () => flights.run(asker.identity.id, (shared) => loggingIn(asker, refused, shared), signal);
      try {
        return await login();
      } catch (error) {
        const isRefused = error instanceof SyncError && error.code === "VAULT_LOGIN_REFUSED";
        // The login that this caller joined may have started before the change that the caller saw.
        if (isRefused && refusalFor(asker) === undefined) return login();
        throw error;
      }
    },
    abort: () =>
      flights.abort(new SyncError("DEADLINE_EXCEEDED", "A login to Vault was cancelled: keyferry is stopping")),
  };
}

async function loggedIn(
  deps: TokensDeps,
  entries: TokenEntries,
  { identity, by }: Asker,
  replacing: string | undefined,
  signal: AbortSignal,
): Promise<Entry> {
  const askedAt = deps.clock();
  const token = activeToken(identity, await countedLogin(deps, identity, signal, by), askedAt);
  const entry = hold(entries, entryOf(token, deps.clock(), by, undefined), signal);
  if (!signal.aborted) return keptForOthers(deps, entries, entry, replacing, signal);
  // An abandoned login must not replace the token of a later one.
  await revokeOwn(deps, token);
  return entry;
}

/** Whether a stored token can replace a login: it lives long enough and is not the refused one. */
function isOfUse(found: FoundToken, refused: Refused | undefined, now: EpochMs): found is Required<FoundToken> {
  const { token } = found;
  return token !== undefined && now < token.staleAt && !(refused && sameToken(token, refused.token));
}

/** Two processes may log in at once: the one that writes last revokes its token and uses the other. */
async function keptForOthers(
  deps: TokensDeps,
  entries: TokenEntries,
  entry: Entry,
  replacing: string | undefined,
  signal: AbortSignal,
): Promise<Entry> {
  const { token, by } = entry;
  if (by === undefined || deps.cache === undefined) return entry;
  const kept = await deps.cache.keep(token, by, replacing);
  if (kept !== "taken") {
    entry.serial = kept?.serial;
    return entry;
  }
  const first = await deps.cache.find({ id: token.identity.id, scope: scopeOfSync(by) }, token.identity);
  if (!first || !isOfUse(first, undefined, deps.clock())) return entry;
  const other = hold(entries, entryOf(first.token, deps.clock(), first.stored.by, first.stored.serial), signal);
  await revokeOwn(deps, token);
  return other;
}

/** A login, in metrics and the log. */
export async function countedLogin(deps: TokensDeps, identity: VaultIdentity, signal: AbortSignal, by?: SyncKey) {
  const { kind } = identity.method;
  const count = (outcome: string) => {
    deps.metrics?.count("keyferry_vault_logins_total", { outcome });
    countPushLogin(deps, by, outcome);
  };
  try {
    const grant = await login(deps, identity, signal);
    count("ok");
    const { mount } = identity;
    const vault = printableAddress(identity.target.address);
    deps.log.debug("vault-logged-in", { vault, mount, method: kind, ttlSeconds: grant.ttlSeconds });
    return grant;
  } catch (error) {
    count(error instanceof SyncError ? error.code : "bug");
    throw error;
  }
}

function countPushLogin({ metrics }: TokensDeps, by: SyncKey | undefined, outcome: string): void {
  const { cluster = "", kind = "" } = by === undefined ? {} : partsOf(by);
  if (pushingKind(kind) === undefined) return;
  const result = outcome === "ok" ? "success" : "failed";
  metrics?.count("vault_sync_operator_auth_attempts_total", { cluster, kind, result });
}
