import { SECOND_MS } from "../clock.ts";
import type { TokenKeeper } from "../ports/tokens.ts";
import { scopeOfSync } from "../token-scope.ts";
import { type ActiveToken, renewedToken, sameToken } from "./active-token.ts";
import { printableAddress } from "./asked.ts";
import { renew } from "./login.ts";
import { tokenDoubts } from "./token-doubts.ts";
import { type Entry, type TokenEntries, taken } from "./token-entries.ts";
import { endAll, tokenKeeper } from "./token-keeper.ts";
import { type Asker, type Refused, tokenLogins } from "./token-logins.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/**
 * Replaces a refused token that is older than this, or older than the caller's request, because its role may have other
 * policies now. Replaces a younger one only if it has ended.
 */
const REFUSAL_COOL_DOWN_MS = 10 * SECOND_MS;

export interface Tokens extends TokenKeeper {
  /** The token of this identity: from memory, from the store, or from a login that all callers share. */
  token(asker: Asker, signal: AbortSignal): Promise<ActiveToken>;
  /**
   * Another token in place of the one that got a 403; undefined when a new login can't help. `isSecond`: the refused
   * one was itself a replacement.
   */
  replacement(
    asker: Asker,
    refused: { readonly token: ActiveToken; readonly isSecond: boolean },
    signal: AbortSignal,
  ): Promise<ActiveToken | undefined>;
  /** Revokes all our tokens, stored ones too, as far as their Vaults answer. */
  revokeAll(signal: AbortSignal): Promise<void>;
}

export function tokens(deps: TokensDeps): Tokens {
  const { clock } = deps;
  const entries: TokenEntries = new Map();
  const logins = tokenLogins(deps, entries);
  const doubts = tokenDoubts(deps);

  /** Callers that share a login with few uses may find none left. */
  const use = async (asker: Asker, signal: AbortSignal, refused?: Refused): Promise<ActiveToken> => {
    const entry = await logins.run(asker, refused, signal);
    return taken(entry) ?? use(asker, signal, refused);
  };
  return {
    async token(asker, signal) {
      const entry = entries.get(asker.identity.id);
      const now = clock();
      if (entry?.isDoubted && now < entry.token.staleAt && (await doubts.hasFailedProof(entry, signal))) {
        const { token } = entry;
        if (entries.get(asker.identity.id) === entry) entries.delete(asker.identity.id);
        // It may be alive, and only not allowed to look itself up.
        return use(asker, signal, { token, hasEnded: false });
      }
      const token = entry !== undefined && now < entry.token.staleAt ? taken(entry) : undefined;
      if (entry === undefined || token === undefined) return use(asker, signal);
      entry.usedAt = now;
      if (now >= token.renewAt && !entry.renewing) renewMeanwhile(deps, entry);
      return token;
    },
    async replacement(asker, { token, isSecond }, signal) {
      const { identity } = asker;
      const entryOfIt = () => {
        const entry = entries.get(identity.id);
        return entry !== undefined && sameToken(entry.token, token) ? entry : undefined;
      };
      const another = () => {
        const entry = entries.get(identity.id);
        return entry === undefined || sameToken(entry.token, token) ? undefined : taken(entry);
      };
      const other = another();
      if (other !== undefined) return other;
      const isOld = token.obtainedAt < (asker.since ?? 0) || clock() - token.obtainedAt >= REFUSAL_COOL_DOWN_MS;
      if (isOld) return use(asker, signal, { token, hasEnded: false });
      const entry = entryOfIt();
      if (entry !== undefined) entry.usesLeft -= 1;
      if (!(await doubts.hasEnded(identity, token, isSecond, signal))) return undefined;
      if (entryOfIt() !== undefined) entries.delete(identity.id);
      return another() ?? use(asker, signal, { token, hasEnded: true });
    },
    async revokeAll(signal) {
      logins.abort();
      await endAll(deps, entries, signal);
    },
    ...tokenKeeper(deps, entries),
  };
}

/**
 * Renews the token while reads use it. Tried once: after a failure the token is used to its end, and then a login
 * follows.
 */
function renewMeanwhile(deps: TokensDeps, entry: Entry): void {
  entry.renewing = true;
  renewed(deps, entry).then(
    () => {
      entry.renewing = false;
    },
    () => deps.log.debug("vault-token-not-renewed", { vault: printableAddress(entry.token.identity.target.address) }),
  );
}

async function renewed(deps: TokensDeps, entry: Entry): Promise<void> {
  const { token, by, serial } = entry;
  const { identity } = token;
  const isKept = by !== undefined && serial !== undefined;
  const found = isKept ? await deps.cache?.find({ id: identity.id, scope: scopeOfSync(by) }, identity) : undefined;
  if (found?.token && found.stored.serial !== serial && found.token.staleAt > token.staleAt) {
    // Another process has renewed or replaced it.
    Object.assign(entry, { token: found.token, serial: found.stored.serial });
    return;
  }
  const askedAt = deps.clock();
  const signal = AbortSignal.timeout(2 * identity.target.timeoutMs);
  entry.token = renewedToken(token, await renew(deps.client, identity, token.value, signal), askedAt);
  if (by === undefined || entry.token.endsAt <= token.endsAt) return;
  const kept = await deps.cache?.keep(entry.token, by, found?.stored.serial ?? serial);
  // Not stored now: the store still has this token, for other processes.
  if (kept !== undefined && kept !== "taken") entry.serial = kept.serial;
}
