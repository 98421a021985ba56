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
 * A token that was refused is replaced when it is older, or was there before someone asked: its role may have got other policies.
 * A younger one only if it has ended.
 */
const REFUSAL_COOL_DOWN_MS = 10 * SECOND_MS;

export interface Tokens extends TokenKeeper {
  /** The token of this identity: one that we hold or that is kept, or that of a login which all callers share. */
  token(asker: Asker, signal: AbortSignal): Promise<ActiveToken>;
  /**
   * Another token than the one that Vault answered 403 to; undefined when a new login is no help. `isSecond`: that one was a
   * replacement itself.
   */
  replacement(
    asker: Asker,
    refused: { readonly token: ActiveToken; readonly isSecond: boolean },
    signal: AbortSignal,
  ): Promise<ActiveToken | undefined>;
  /** Ends all our tokens at their Vaults, as far as these answer, those included that are kept for other processes. */
  revokeAll(signal: AbortSignal): Promise<void>;
}

export function tokens(deps: TokensDeps): Tokens {
  const { clock } = deps;
  const entries: TokenEntries = new Map();
  const logins = tokenLogins(deps, entries);
  const doubts = tokenDoubts(deps);

  /** Who shares a login that gave a token of few uses may find none left. */
  const use = async (asker: Asker, signal: AbortSignal, refused?: Refused): Promise<ActiveToken> => {
    const entry = await logins.run(asker, refused, signal);
    return taken(entry) ?? use(asker, signal, refused);
  };
  return {
    async token(asker, signal) {
      const entry = entries.get(asker.identity.id);
      const now = clock();
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

/** Prolongs it beside the reads that use it. Tried once: when it fails, the token is used to its end and a login follows. */
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
    // Another process has prolonged or replaced it.
    Object.assign(entry, { token: found.token, serial: found.stored.serial });
    return;
  }
  const askedAt = deps.clock();
  const signal = AbortSignal.timeout(2 * identity.target.timeoutMs);
  entry.token = renewedToken(token, await renew(deps.client, identity, token.value, signal), askedAt);
  if (by === undefined || entry.token.endsAt <= token.endsAt) return;
  const kept = await deps.cache?.keep(entry.token, by, found?.stored.serial ?? serial);
  if (kept !== "taken") entry.serial = kept?.serial;
}
