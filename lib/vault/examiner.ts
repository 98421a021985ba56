import type { LookupFunction } from "node:net";
import { SECOND_MS } from "../clock.ts";
import type { VaultIdentity, VaultTarget } from "../ports/vault.ts";
import { isLosslessObject, type LosslessValue } from "../util/lossless.ts";
import { normalAddress } from "../vault-address.ts";
import { vaultUrlPath } from "../vault-path.ts";
import { NOTHING_NAMED, wayTo } from "../vault-reach.ts";
import { guardedLookup, mustBeUnicastHost, notAllowed } from "./address-guard.ts";
import { askHealth, type VaultHealth } from "./health.ts";
import { type LoginDeps, login, revoke } from "./login.ts";
import { askedOf, type VaultQuestion } from "./vault-client.ts";
import { answerError, bodyOf } from "./vault-errors.ts";

/** What one login may do. */
export interface VaultRights {
  /** The policies of its token, `default` included; empty: the token may not look itself up. */
  readonly policies: readonly string[];
  /** Capabilities by path; undefined: the token may not ask for them. */
  readonly capabilities: ReadonlyMap<string, readonly string[]> | undefined;
}

/** Examines Vaults without a change in them, besides its own logins, which it revokes. */
export interface VaultExaminer {
  /** Throws a SyncError when it can't be reached, or is no Vault. */
  health(target: VaultTarget, signal: AbortSignal): Promise<VaultHealth>;
  /** Paths as the login's Vault namespace sees them. Throws the error of a refused login. */
  rights(identity: VaultIdentity, paths: readonly string[], signal: AbortSignal): Promise<VaultRights>;
  /**
   * Whether a login is mounted there. Vault refuses a login at a mount that does not exist as it refuses a token, so this
   * asks for a method that no login has.
   */
  isMounted(identity: VaultIdentity, signal: AbortSignal): Promise<boolean>;
  /** How a connection to this Vault resolves names; throws VAULT_ADDRESS_NOT_ALLOWED. */
  lookupFor(target: VaultTarget): LookupFunction | undefined;
}

/** How long a revocation may take, also after the check's own time. */
const REVOKE_MS = 5 * SECOND_MS;

export function vaultExaminer(deps: LoginDeps): VaultExaminer {
  return {
    health: (target, signal) => askHealth(deps.client, target, signal),
    rights: (identity, paths, signal) => rightsOf(deps, identity, paths, signal),
    async isMounted({ target, mount, namespace }, signal) {
      const path = vaultUrlPath({ auth: "auth", mount, login: "login" });
      const question: VaultQuestion = { purpose: "probe", method: "GET", repeatable: true, path, namespace };
      const { status } = await deps.client.ask(target, question, signal);
      return status !== 403 && status !== 404;
    },
    lookupFor: (target) => lookupFor(deps, target),
  };
}

async function rightsOf(
  deps: LoginDeps,
  identity: VaultIdentity,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<VaultRights> {
  const { client } = deps;
  const { target, namespace } = identity;
  const { token } = await login(deps, identity, signal);
  const ask = async (question: Pick<VaultQuestion, "method" | "path" | "body">): Promise<LosslessValue | undefined> => {
    const whole: VaultQuestion = { purpose: "token", repeatable: true, token, namespace, ...question };
    const answer = await client.ask(target, whole, signal);
    if (answer.status === 403) return undefined;
    if (answer.status !== 200) throw answerError(askedOf(target, whole), answer);
    return bodyOf(answer)?.data;
  };
  try {
    const self = await ask({ method: "GET", path: "auth/token/lookup-self" });
    const found = await ask({ method: "POST", path: "sys/capabilities-self", body: { paths: [...paths] } });
    return {
      policies: isLosslessObject(self) ? textsOf(self.policies) : [],
      capabilities: isLosslessObject(found) ? new Map(paths.map((path) => [path, textsOf(found[path])])) : undefined,
    };
  } finally {
    await revoke(client, identity, token, AbortSignal.timeout(REVOKE_MS)).catch(() => undefined);
  }
}

function lookupFor({ reachOf }: LoginDeps, target: VaultTarget): LookupFunction | undefined {
  const reach = reachOf?.(target.cluster) ?? NOTHING_NAMED;
  const refused = () => notAllowed(`Nothing was sent to ${target.address}`, reach);
  const way = wayTo(reach, normalAddress(target.address));
  if (way === "named") return undefined;
  if (way === undefined) throw refused();
  try {
    mustBeUnicastHost(new URL(target.address).hostname);
  } catch {
    throw refused();
  }
  return guardedLookup;
}

function textsOf(value: LosslessValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((text) => typeof text === "string") : [];
}
