import { type EpochMs, SECOND_MS } from "../clock.ts";
import { parseDuration } from "../duration.ts";
import { SyncError } from "../errors.ts";
import type { VaultKubernetesWay } from "../fleet/vault-connect-schema.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import { SecretValue } from "../secret-value.ts";
import { isLosslessObject } from "../util/lossless.ts";
import { type LoginDeps, login, revoke } from "../vault/login.ts";
import { secondsOf } from "../vault/seconds.ts";
import { askedOf, type VaultQuestion } from "../vault/vault-client.ts";
import { answerError, invalidAnswer, objectOf } from "../vault/vault-errors.ts";
import { vaultUrlPath } from "../vault-path.ts";

/** A token of a service account, as Vault's Kubernetes secrets engine minted it. */
export interface Minted {
  readonly token: SecretValue;
  readonly mintedAt: EpochMs;
  readonly endsAt: EpochMs;
  /**
   * Vault's token of the login that minted it; missing when it can't be revoked. Its end is the end of the Vault lease.
   * That deletes a service account that Vault created for the lease, so this one has to live as long as the token.
   */
  readonly login?: SecretValue;
}

/** Logs in and has a token minted. A login whose request failed is ended. */
export async function mint(deps: LoginDeps, identity: VaultIdentity, way: VaultKubernetesWay): Promise<Minted> {
  const signal = new AbortController().signal;
  const grant = await login(deps, identity, signal);
  try {
    const minted = await requested(deps, identity, way, grant.token, signal);
    return grant.isBatch ? minted : { ...minted, login: grant.token };
  } catch (error) {
    if (!grant.isBatch) void endLogin(deps, identity, grant.token);
    throw error;
  }
}

/** Ends a login, and so its Vault lease. False: Vault did not; it ends it by itself after its TTL. */
export async function endLogin(
  deps: Pick<LoginDeps, "client">,
  place: Pick<VaultIdentity, "target" | "namespace">,
  token: SecretValue,
): Promise<boolean> {
  try {
    await revoke(deps.client, place, token, new AbortController().signal);
    return true;
  } catch (error) {
    if (error instanceof SyncError) return false;
    throw error;
  }
}

async function requested(
  { client, clock }: LoginDeps,
  identity: VaultIdentity,
  way: VaultKubernetesWay,
  token: SecretValue,
  signal: AbortSignal,
): Promise<Minted> {
  const { mount, role, namespace, ttl, clusterRoleBinding, audiences } = way;
  const question: VaultQuestion = {
    purpose: "issue",
    method: "POST",
    repeatable: false,
    path: vaultUrlPath({ mount, creds: "creds", role }),
    namespace: identity.namespace,
    token,
    body: {
      kubernetes_namespace: namespace,
      ttl: `${(parseDuration(ttl) ?? 0) / SECOND_MS}s`,
      ...(clusterRoleBinding ? { cluster_role_binding: true } : {}),
      ...(audiences.length > 0 ? { audiences: [...audiences] } : {}),
    },
  };
  const asked = askedOf(identity.target, question);
  const mintedAt = clock();
  const answer = await client.ask(identity.target, question, signal);
  if (answer.status !== 200) throw answerError(asked, answer);
  const { data, lease_duration: duration } = objectOf(asked, answer);
  const value = isLosslessObject(data) ? data.service_account_token : undefined;
  if (typeof value !== "string" || value === "") {
    throw invalidAnswer(asked, "has no service_account_token: is this the Kubernetes secrets engine?");
  }
  const seconds = [secondsOf(duration), secondsIn(value)].filter((one) => one > 0);
  if (seconds.length === 0) throw invalidAnswer(asked, "does not say how long its token is good for");
  return { token: SecretValue.of(value), mintedAt, endsAt: mintedAt + Math.min(...seconds) * SECOND_MS };
}

/** How long a JWT is good for by its own claims, whatever its clock shows; 0 when it does not say. */
function secondsIn(jwt: string): number {
  try {
    const { iat, exp } = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8"));
    return Number.isSafeInteger(exp - iat) ? Math.max(0, exp - iat) : 0;
  } catch {
    return 0;
  }
}
