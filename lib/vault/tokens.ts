import { type Clock, type EpochMs, HOUR_MS, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { Log, Metrics, VaultIdentity } from "../reconcile/ports.ts";
import { printableAddress } from "./asked.ts";
import { type HeldToken, heldToken, renewedToken } from "./held-token.ts";
import { type LoginDeps, login, renew, revoke } from "./login.ts";
import { singleFlight } from "./single-flight.ts";

/** A token that was refused is replaced only when it is older: else its policies are the reason, and a new login is no help. */
const REFUSAL_COOL_DOWN_MS = 10 * SECOND_MS;
/** A refused login is not tried again for so long, so that the many syncs of one identity don't become as many logins. */
const LOGIN_COOL_DOWN_MS = 5 * SECOND_MS;
/** A token that nobody used for so long is given back: its VaultAuth may be gone. */
const IDLE_MS = HOUR_MS;

export interface Tokens {
  /** The token of this identity: the one that we hold, or that of a login which all callers share. */
  token(identity: VaultIdentity, signal: AbortSignal): Promise<HeldToken>;
  /** Another token after Vault answered 403 to this one; undefined when a new login is no help. */
  replacement(refused: HeldToken, isInvalid: boolean, signal: AbortSignal): Promise<HeldToken | undefined>;
  /** Ends all our tokens at their Vaults, as far as these answer. */
  revokeAll(signal: AbortSignal): Promise<void>;
}

export interface TokensDeps extends LoginDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics?: Metrics | undefined;
}

interface Entry {
  token: HeldToken;
  usedAt: EpochMs;
  renewing: boolean;
}

export function tokens(deps: TokensDeps): Tokens {
  const { clock } = deps;
  const entries = new Map<string, Entry>();
  const refusals = new Map<string, { readonly error: SyncError; readonly until: EpochMs }>();
  const logins = singleFlight<HeldToken>();

  const loggedIn = async (identity: VaultIdentity, signal: AbortSignal): Promise<HeldToken> => {
    dropUnused(deps, entries);
    const askedAt = clock();
    try {
      const token = heldToken(identity, await countedLogin(deps, identity, signal), askedAt);
      refusals.delete(refusalKey(identity));
      // A login that nobody waits for any more must not replace the token of a later one.
      if (!signal.aborted) entries.set(identity.id, { token, usedAt: clock(), renewing: false });
      return token;
    } catch (error) {
      if (error instanceof SyncError && error.code === "VAULT_LOGIN_REFUSED") {
        refusals.set(refusalKey(identity), { error, until: clock() + LOGIN_COOL_DOWN_MS });
      }
      throw error;
    }
  };

  const sharedLogin = async (identity: VaultIdentity, signal: AbortSignal): Promise<HeldToken> => {
    const refusal = refusals.get(refusalKey(identity));
    if (refusal !== undefined && clock() < refusal.until) throw refusal.error;
    refusals.delete(refusalKey(identity));
    return logins.run(identity.id, (shared) => loggedIn(identity, shared), signal);
  };

  return {
    async token(identity, signal) {
      const entry = entries.get(identity.id);
      const now = clock();
      if (entry === undefined || now >= entry.token.staleAt) return sharedLogin(identity, signal);
      entry.usedAt = now;
      if (now >= entry.token.renewAt && !entry.renewing) renewMeanwhile(deps, entry);
      return entry.token;
    },
    async replacement(refused, isInvalid, signal) {
      const { identity, value } = refused;
      const current = entries.get(identity.id)?.token;
      if (current !== undefined && current.value !== value) return current;
      if (!isInvalid && clock() - refused.obtainedAt < REFUSAL_COOL_DOWN_MS) return undefined;
      if (isInvalid) entries.delete(identity.id);
      return sharedLogin(identity, signal);
    },
    async revokeAll(signal) {
      logins.abort(new SyncError("DEADLINE_EXCEEDED", "A login to Vault was given up: keyferry is stopping"));
      const all = [...entries.values()];
      entries.clear();
      const outcomes = await Promise.all(all.map((entry) => givenBack(deps, entry, signal)));
      const revoked = outcomes.filter((done) => done).length;
      deps.log.info("vault-tokens-revoked", { revoked, failed: all.length - revoked });
    },
  };
}

/** What was refused to one credential is asked anew with another. */
function refusalKey({ id, method: { credential } }: VaultIdentity): string {
  return credential.kind === "secret" ? `${id} ${credential.version ?? ""}` : id;
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

/** Prolongs it beside the reads that use it. Tried once: when it fails, the token is used to its end and a login follows. */
function renewMeanwhile(deps: TokensDeps, entry: Entry): void {
  entry.renewing = true;
  const { token } = entry;
  const askedAt = deps.clock();
  renew(deps.client, token.identity, token.value, AbortSignal.timeout(2 * token.identity.target.timeoutMs)).then(
    (grant) => {
      entry.token = renewedToken(token, grant, askedAt);
      entry.renewing = false;
    },
    () => deps.log.debug("vault-token-not-renewed", { vault: printableAddress(token.identity.target.address) }),
  );
}

/** Makes room: ended tokens are forgotten, unused ones given back. */
function dropUnused(deps: TokensDeps, entries: Map<string, Entry>): void {
  const now = deps.clock();
  for (const [id, entry] of entries) {
    const ended = now >= entry.token.staleAt;
    if (!ended && now - entry.usedAt < IDLE_MS) continue;
    entries.delete(id);
    if (!ended) void givenBack(deps, entry, AbortSignal.timeout(2 * entry.token.identity.target.timeoutMs));
  }
}

async function givenBack(deps: TokensDeps, { token }: Entry, signal: AbortSignal): Promise<boolean> {
  try {
    await revoke(deps.client, token.identity, token.value, signal);
    return true;
  } catch {
    // It ends by itself; batch tokens can't be revoked at all.
    return false;
  }
}
