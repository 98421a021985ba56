import type { Clock } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { CredentialRef, CredentialSource, FileCredential } from "../ports/credentials.ts";
import type { VaultIdentity, VaultTarget } from "../ports/vault.ts";
import { SecretValue } from "../secret-value.ts";
import { isLosslessObject } from "../util/lossless.ts";
import { vaultUrlPath } from "../vault-path.ts";
import { NOTHING_NAMED, type ReachOf } from "../vault-reach.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";
import type { GoogleEndpoints } from "./gcp-login.ts";
import { countOf, secondsOf } from "./seconds.ts";
import { askedOf, type VaultClient, type VaultQuestion } from "./vault-client.ts";
import { answerError, invalidAnswer, isInvalidToken, objectOf } from "./vault-errors.ts";

/** The result of a login or a renewal. */
export interface Grant {
  readonly token: SecretValue;
  /** In seconds; 0: unlimited. */
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  /** How many requests the token may serve; 0: unlimited. */
  readonly uses: number;
  /** Vault stores nothing of a batch token: it can't be renewed or revoked. */
  readonly isBatch: boolean;
  /** The state in which Vault knows the token; missing: any node knows it. */
  readonly index?: string;
}

export interface LoginDeps {
  readonly client: VaultClient;
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  /** Reads a file that fleet.yaml names. Missing: no identity here logs in with a file. */
  readonly readFile?: ((path: string) => Promise<string>) | undefined;
  /** Only tests set other endpoints than Google's own. */
  readonly google?: GoogleEndpoints | undefined;
  /** Which Vaults each cluster's resources may name. Missing: only public and private hosts. */
  readonly reachOf?: ReachOf | undefined;
}

/** Logs in at `auth/<mount>/login` with what the identity's method needs. Does not retry. */
export async function login(deps: LoginDeps, identity: VaultIdentity, signal: AbortSignal): Promise<Grant> {
  const path = vaultUrlPath({ auth: "auth", mount: identity.mount, login: "login" });
  const question: VaultQuestion = {
    purpose: "login",
    method: "POST",
    repeatable: false,
    path,
    namespace: identity.namespace,
    headers: identity.headers,
  };
  const asked = askedOf(identity.target, question);
  const body = await loginBody(deps, identity, describe(asked), signal);
  const answer = await deps.client.ask(identity.target, { ...question, body }, signal);
  return grantOf(asked, answer);
}

/** Renews a token by the increment of its role. */
export async function renew(
  client: VaultClient,
  identity: VaultIdentity,
  token: SecretValue,
  signal: AbortSignal,
): Promise<Grant> {
  const question = selfQuestion(identity, "renew-self", token);
  const answer = await client.ask(identity.target, question, signal);
  return grantOf(askedOf(identity.target, question), answer);
}

/** Revokes a token and all its leases in Vault. A token that has already ended counts as revoked. */
export async function revoke(
  client: VaultClient,
  identity: Pick<VaultIdentity, "target" | "namespace">,
  token: SecretValue,
  signal: AbortSignal,
): Promise<void> {
  const question = selfQuestion(identity, "revoke-self", token);
  const answer = await client.ask(identity.target, question, signal);
  if (answer.status >= 400 && !isInvalidToken(answer)) throw answerError(askedOf(identity.target, question), answer);
}

/** Where a token is. */
interface TokenPlace {
  readonly target: VaultTarget;
  readonly namespace?: string | undefined;
}

/** Whether a token may not look itself up. Throws any other error of the answer. */
export async function isRefusedToItself(
  client: VaultClient,
  identity: TokenPlace,
  token: SecretValue,
  signal: AbortSignal,
): Promise<boolean> {
  const { body: _none, ...question } = selfQuestion(identity, "lookup-self", token, "GET");
  const answer = await client.ask(identity.target, question, signal);
  if (answer.status === 429 || answer.status >= 500) throw answerError(askedOf(identity.target, question), answer);
  return answer.status === 403;
}

function selfQuestion(
  { namespace }: Pick<TokenPlace, "namespace">,
  verb: string,
  token: SecretValue,
  method: VaultQuestion["method"] = "POST",
): VaultQuestion {
  return {
    purpose: "token",
    method,
    repeatable: method === "GET",
    path: `auth/token/${verb}`,
    namespace,
    token,
    body: {},
  };
}

/** Sends secrets unchanged, with a trailing newline if there is one. */
async function loginBody(
  deps: LoginDeps,
  { method, target }: VaultIdentity,
  subject: string,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  // Loaded only when an identity logs in by this cloud.
  if (method.kind === "aws") {
    const reach = deps.reachOf?.(target.cluster) ?? NOTHING_NAMED;
    return (await import("./aws-login.ts")).awsLoginBody({ ...deps, reach }, method, subject, signal);
  }
  if (method.kind === "gcp") return (await import("./gcp-login.ts")).gcpLoginBody(deps, method, subject, signal);
  const value = await credentialText(deps, method.credential, signal);
  return method.kind === "appRole" ? { role_id: method.roleId, secret_id: value } : { role: method.role, jwt: value };
}

async function credentialText(
  { credentials, readFile }: LoginDeps,
  credential: CredentialRef | FileCredential,
  signal: AbortSignal,
): Promise<string> {
  if (credential.kind !== "file")
    return (await credentials.credential(credential, signal)).value.reveal().toString("utf8");
  const { path } = credential;
  // Editors end a file with a newline, which is part of no token.
  const text = (await readFile?.(path))?.trim() ?? "";
  if (text !== "") return text;
  throw new SyncError(
    "REFERENCE_INVALID",
    `${path} of fleet.yaml is empty: it must hold what the identity logs in with`,
  );
}

function grantOf(asked: Asked, answer: VaultAnswer): Grant {
  if (answer.status !== 200) throw answerError(asked, answer);
  const { auth, wrap_info: wrapped } = objectOf(asked, answer);
  if (isLosslessObject(wrapped)) {
    throw invalidAnswer(asked, "is wrapped: remove X-Vault-Wrap-TTL from the headers of VaultConnection and VaultAuth");
  }
  if (!isLosslessObject(auth)) throw invalidAnswer(asked, "has no auth object: is this an auth mount?");
  const { client_token: token, renewable } = auth;
  if (typeof token !== "string" || token === "") {
    throw invalidAnswer(asked, "has no token: logins with a second factor are not supported");
  }
  return {
    token: SecretValue.of(token),
    ttlSeconds: secondsOf(auth.lease_duration),
    renewable: renewable === true,
    uses: countOf(auth.num_uses),
    isBatch: auth.token_type === "batch",
    ...(answer.index === undefined ? {} : { index: answer.index }),
  };
}
