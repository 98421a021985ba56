import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { loginId } from "../ports/vault-ids.ts";
import { scopeOfSync } from "../token-scope.ts";
import { type ActiveToken, activeToken, sameToken } from "./active-token.ts";
import { printableAddress } from "./asked.ts";
import { login } from "./login.ts";
import { singleFlight } from "./single-flight.ts";
import type { FoundToken } from "./token-cache.ts";
import { revokeOwn } from "./token-ending.ts";
import { dropUnused, type Entry, entryOf, hold, type TokenEntries } from "./token-entries.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/** A refused login is not tried again for so long, so that the many syncs of one identity don't become as many logins. */
const LOGIN_COOL_DOWN_MS = 5 * SECOND_MS;
/** Who asks, and for which sync. */
export interface Asker {
  readonly identity: VaultIdentity;
  /** Missing: its token is not kept beyond this process. */
  readonly by?: SyncKey | undefined;
  /** A refusal from before this is not believed: someone asked since. */
  readonly since?: EpochMs | undefined;
}

/** A token that Vault answered 403 to. */
export interface Refused {
  readonly token: ActiveToken;
  /** The token is at fault, not its policies. */
  readonly hasEnded: boolean;
}

interface Refusal {
  readonly error: SyncError;
  readonly askedAt: EpochMs;
  readonly until: EpochMs;
}

/** Logins, each one for all who ask meanwhile. */
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
    // Who else holds the refused one finds its successor as soon as Vault says no to it.
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
  /** The refusal that is remembered of this login, if it is new enough for who asks. */
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
        // A login that was under way already when it was asked for may have come too early.
        if (isRefused && refusalFor(asker) === undefined) return login();
        throw error;
      }
    },
    abort: () =>
      flights.abort(new SyncError("DEADLINE_EXCEEDED", "A login to Vault was given up: keyferry is stopping")),
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
  const token = activeToken(identity, await countedLogin(deps, identity, signal), askedAt);
  const entry = hold(entries, entryOf(token, deps.clock(), by, undefined), signal);
  if (!signal.aborted) return keptForOthers(deps, entries, entry, replacing, signal);
  // A login that nobody waits for any more must not replace the token of a later one.
  await revokeOwn(deps, token);
  return entry;
}

/** Whether a kept token can be used in place of a login: it lives for a while, and is not the one that was refused. */
function isOfUse(found: FoundToken, refused: Refused | undefined, now: EpochMs): found is Required<FoundToken> {
  const { token } = found;
  return token !== undefined && now < token.staleAt && !(refused && sameToken(token, refused.token));
}

/** Two processes may log in at once: who writes last revokes its token, and takes the other one. */
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

async function countedLogin(deps: TokensDeps, identity: VaultIdentity, signal: AbortSignal) {
  const { kind } = identity.method;
  const count = (outcome: string) => deps.metrics?.count("keyferry_vault_logins_total", { outcome });
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
