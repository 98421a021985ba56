import { circuitOfVault } from "../circuits.ts";
import { SyncError } from "../errors.ts";
import type { KeptToken, TokenKeeper } from "../ports/tokens.ts";
import { scopeOfSync, type TokenScope } from "../token-scope.ts";
import { sameToken } from "./active-token.ts";
import type { FoundToken } from "./token-cache.ts";
import { endAtVault, endFound, keptOf, revokeOwn } from "./token-ending.ts";
import type { TokenEntries } from "./token-entries.ts";
import type { TokensDeps } from "./tokens-deps.ts";

/** Revokes and forgets tokens that no sync needs any more. */
export function tokenKeeper(deps: TokensDeps, entries: TokenEntries): TokenKeeper {
  const { cache } = deps;
  const ours = (scope: TokenScope | undefined): KeptToken[] =>
    [...entries.values()].flatMap(({ token: { identity }, by, serial }) => {
      if (by === undefined || serial !== undefined) return [];
      const its = scopeOfSync(by);
      if (scope !== undefined && its !== scope) return [];
      return [{ id: identity.id, scope: its, by, circuit: circuitOfVault(identity.target.address) }];
    });
  return {
    doubt({ isOf, mount }) {
      for (const entry of entries.values()) {
        const { target, namespace, mount: own } = entry.token.identity;
        const isMeant = mount === undefined || mount === loginPlace(namespace, own);
        if (isMeant && isOf(target.address)) entry.isDoubted = true;
      }
    },
    async kept(scope) {
      const kept = ((await cache?.all(scope)) ?? []).map(({ stored }) => keptOf(stored));
      const known = new Set(kept.map(({ id }) => id));
      return [...kept, ...ours(scope).filter(({ id }) => !known.has(id))];
    },
    async keepFor({ id, scope }, next) {
      const entry = entries.get(id);
      if (entry !== undefined) entry.by = next;
      const found = await cache?.find({ id, scope });
      if (found !== undefined) await cache?.keepFor(found.stored, next);
    },
    async end({ id, scope }, signal) {
      const entry = entries.get(id);
      const found = await cache?.find({ id, scope });
      if (cache && found) await endFound(deps, cache, found, signal);
      const isApart = entry !== undefined && !(found?.token && sameToken(found.token, entry.token));
      if (isApart) await endAtVault(deps, entry.token, signal);
      if (entry !== undefined && entries.get(id) === entry) entries.delete(id);
    },
  };
}

/** As audit lines name it. */
function loginPlace(namespace: string | undefined, mount: string): string {
  const parts = [namespace ?? "", "auth", mount].map((part) => part.replace(/^\/+|\/+$/g, ""));
  return parts.filter((part) => part !== "").join("/");
}

/** Revokes all tokens in memory and in the store, as far as their Vaults answer. */
export async function endAll(deps: TokensDeps, entries: TokenEntries, signal: AbortSignal): Promise<void> {
  const ours = [...entries.values()].filter(({ serial }) => serial === undefined);
  entries.clear();
  const kept = await allKept(deps);
  const outcomes = await Promise.all([
    ...ours.map(({ token }) => revokeOwn(deps, token, signal)),
    ...kept.map((found) => endedAndForgotten(deps, found, signal)),
  ]);
  const revoked = outcomes.filter((done) => done).length;
  deps.log.info("vault-tokens-revoked", { revoked, failed: outcomes.length - revoked });
}

async function allKept({ cache, log }: TokensDeps): Promise<readonly FoundToken[]> {
  try {
    return (await cache?.all()) ?? [];
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    log.warn("vault-token-cache-failed", { code: error.code, message: error.message });
    return [];
  }
}

async function endedAndForgotten(deps: TokensDeps, found: FoundToken, signal: AbortSignal): Promise<boolean> {
  try {
    if (deps.cache) await endFound(deps, deps.cache, found, signal);
    return found.token !== undefined;
  } catch (error) {
    if (error instanceof SyncError || signal.aborted) return false;
    throw error;
  }
}
