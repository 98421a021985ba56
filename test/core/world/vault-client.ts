import type { EpochMs } from "../../../lib/clock.ts";
import { type RequestOutcome, SyncError } from "../../../lib/errors.ts";
import type { VaultTarget } from "../../../lib/ports/vault.ts";
import { type Asked, describe } from "../../../lib/vault/asked.ts";
import { networkError, timedOut } from "../../../lib/vault/network-errors.ts";
import { askedOf, startsTooLate, type VaultClient, type VaultQuestion } from "../../../lib/vault/vault-client.ts";
import { type Effect, plainly } from "./effects.ts";
import type { WorldTime } from "./time.ts";
import { decoded, type MemoryVault } from "./vault.ts";

export interface VaultClientOptions {
  readonly time: WorldTime;
  readonly vaultAt: (address: string) => MemoryVault | undefined;
  readonly effect?: Effect;
  /** Of the process. */
  readonly clock?: () => EpochMs;
}

const KNOWN_MS = 60_000;

/** The client that keyferry's Vault end is wired with, over Vaults in memory. */
export function memoryVaultClient({
  time,
  vaultAt,
  effect = plainly,
  clock = time.now,
}: VaultClientOptions): VaultClient {
  const answeredAt = new Map<string, EpochMs>();
  const addressOf = ({ address }: VaultTarget): string => address.replace(/\/+$/, "");

  const refused = (code: string, asked: Asked): unknown =>
    networkError(Object.assign(new Error("refused"), { code }), asked);
  const reached = async (target: VaultTarget, asked: Asked, signal: AbortSignal): Promise<MemoryVault> => {
    const vault = vaultAt(addressOf(target));
    if (vault?.outage === "silent") {
      await time.sleep(target.timeoutMs, signal);
      throw signal.aborted ? givenUp(asked, "unknown") : timedOut(asked, target.timeoutMs);
    }
    if (!vault || vault.outage !== undefined) throw refused("ECONNREFUSED", asked);
    const isTrusted = target.skipTlsVerify || vault.certifiedBy === undefined || target.caPem === vault.certifiedBy;
    if (!isTrusted) throw refused("UNABLE_TO_VERIFY_LEAF_SIGNATURE", asked);
    return vault;
  };
  return {
    async ask(target, question, signal) {
      const asked = askedOf(target, question);
      if (signal.aborted) throw givenUp(asked, "none");
      return effect(effectOf(question), async () => {
        const vault = await reached(target, asked, signal);
        if (clock() > (question.startBy ?? Number.POSITIVE_INFINITY)) throw startsTooLate(asked);
        const answer = await vault.serve(questionOf(target, question), { timeoutMs: target.timeoutMs, signal });
        if (answer === "cut") throw refused("ECONNRESET", asked);
        if (answer === "swallowed")
          throw signal.aborted ? givenUp(asked, "unknown") : timedOut(asked, target.timeoutMs);
        answeredAt.set(addressOf(target), time.now());
        return answer;
      });
    },
    isKnown(target) {
      const at = answeredAt.get(addressOf(target));
      return at !== undefined && time.now() - at < KNOWN_MS;
    },
    refuse: () => undefined,
    close: async () => undefined,
  };
}

function questionOf(target: VaultTarget, { method, path, query = "", token, body, headers }: VaultQuestion) {
  const declared = Object.entries({ ...target.headers, ...headers });
  const [, wrapTtl] = declared.find(([name]) => name.toLowerCase() === "x-vault-wrap-ttl") ?? [];
  return {
    method,
    path: decoded(path),
    query: Object.fromEntries(new URLSearchParams(query)),
    token: token?.reveal().toString("utf8"),
    ...(wrapTtl === undefined ? {} : { wrapTtl }),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  };
}

/** `vault kv-v2`, `vault issue`, `vault lease renew`, `vault token revoke-self`. */
function effectOf({ purpose, path }: VaultQuestion): string {
  const [, verb] = /^(?:auth\/token|sys\/leases|sys)\/([^/]+)/.exec(path) ?? [];
  return purpose === "lease" || purpose === "token" ? `vault ${purpose} ${verb}` : `vault ${purpose}`;
}

function givenUp(asked: Asked, outcome: RequestOutcome): SyncError {
  return new SyncError("DEADLINE_EXCEEDED", `${describe(asked)} ran out of time`, { outcome });
}
