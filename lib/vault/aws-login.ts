import { partition } from "@aws-sdk/core/client";
import { defaultProvider } from "@aws-sdk/credential-provider-node";
import { fromWebToken } from "@aws-sdk/credential-provider-web-identity";
import { Sha256 } from "@smithy/core/checksum";
import { HttpRequest } from "@smithy/core/protocols";
import { SignatureV4 } from "@smithy/signature-v4";
import type { Clock } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { CredentialRef, CredentialSource } from "../ports/credentials.ts";
import type { AwsMethod } from "../ports/vault.ts";
import { type VaultReach, wayToSts } from "../vault-reach.ts";
import { isNotAllowed, mustBeUnicastHost, notAllowed } from "./address-guard.ts";
import { awsFailure, cloudDeadline } from "./cloud-errors.ts";
import { stsRequests } from "./sts-requests.ts";

export interface AwsLoginDeps {
  readonly credentials: CredentialSource;
  readonly clock: Clock;
  /** Which AWS token service a VaultAuth may name. */
  readonly reach: VaultReach;
}

/** Signs the request when no region is declared: Vault asks the global token service by default. */
const DEFAULT_REGION = "us-east-1";
const GLOBAL_HOST = "sts.amazonaws.com";
const BODY = "Action=GetCallerIdentity&Version=2011-06-15";
const SERVER_ID_HEADER = "x-vault-aws-iam-server-id";

const ROLE_ANNOTATION = "eks.amazonaws.com/role-arn";
const AUDIENCE_ANNOTATION = "eks.amazonaws.com/audience";
const EXPIRATION_ANNOTATION = "eks.amazonaws.com/token-expiration";
const ROLE_ARN = /^arn:[a-z0-9-]+:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/;

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string | undefined;
}

/**
 * The body of a login to an AWS mount: a signed GetCallerIdentity request, which Vault sends to AWS. `subject` names
 * the Vault in messages.
 */
export async function awsLoginBody(
  deps: AwsLoginDeps,
  method: AwsMethod,
  subject: string,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const keys = await cloudDeadline(keysOf(deps, method, subject, signal), subject, signal);
  const host = method.region ? regionalHost(method.region) : GLOBAL_HOST;
  const { method: verb, headers } = await signed(keys, method, host, deps.clock);
  const base64 = (text: string) => Buffer.from(text).toString("base64");
  return {
    role: method.role,
    iam_http_request_method: verb,
    iam_request_url: base64(`https://${host}/`),
    iam_request_body: base64(BODY),
    iam_request_headers: base64(JSON.stringify(headers)),
  };
}

function regionalHost(region: string): string {
  return `sts.${region}.${partition(region).dnsSuffix}`;
}

function signed(keys: Keys, { region, headerValue }: AwsMethod, host: string, clock: Clock) {
  const signer = new SignatureV4({
    service: "sts",
    region: region ?? DEFAULT_REGION,
    credentials: {
      accessKeyId: keys.accessKeyId,
      secretAccessKey: keys.secretAccessKey,
      ...(keys.sessionToken && { sessionToken: keys.sessionToken }),
    },
    sha256: Sha256,
  });
  const request = new HttpRequest({
    method: "POST",
    protocol: "https:",
    hostname: host,
    path: "/",
    headers: {
      host,
      "content-type": "application/x-www-form-urlencoded; charset=utf-8",
      ...(headerValue && { [SERVER_ID_HEADER]: headerValue }),
    },
    body: BODY,
  });
  return signer.sign(request, { signingDate: new Date(clock()) });
}

async function keysOf(deps: AwsLoginDeps, method: AwsMethod, subject: string, signal: AbortSignal): Promise<Keys> {
  switch (method.credential.kind) {
    case "secret":
      return keysInSecret(deps.credentials, method.credential, signal);
    case "serviceAccount":
      return keysOfRole(deps, method, method.credential, subject, signal);
    case "process":
      return keysOfProcess(subject);
  }
}

async function keysInSecret(
  credentials: CredentialSource,
  ref: CredentialRef & { kind: "secret" },
  signal: AbortSignal,
): Promise<Keys> {
  const data = await credentials.secret(ref, signal);
  const text = (key: string) => data.get(key)?.reveal().toString("utf8");
  const [accessKeyId, secretAccessKey] = [text("access_key_id"), text("secret_access_key")];
  if (accessKeyId && secretAccessKey) return { accessKeyId, secretAccessKey, sessionToken: text("session_token") };
  const message = `Secret ${ref.namespace}/${ref.name} in cluster ${ref.cluster} needs the keys access_key_id and secret_access_key: add them`;
  throw new SyncError("REFERENCE_MISSING", message);
}

type Account = CredentialRef & { readonly kind: "serviceAccount" };

/** The token that the account's annotations ask for. */
function asAnnotated(account: Account, annotations: Readonly<Record<string, string>>): Account {
  const audience = annotations[AUDIENCE_ANNOTATION];
  const seconds = Number(annotations[EXPIRATION_ANNOTATION]);
  return {
    ...account,
    ...(audience && { audiences: [audience] }),
    ...(Number.isSafeInteger(seconds) && seconds > 0 && { expirationSeconds: seconds }),
  };
}

/** Keys of the IAM role of a service account in the cluster, obtained with a token of that account. */
async function keysOfRole(
  { credentials, reach }: AwsLoginDeps,
  { region = DEFAULT_REGION, stsEndpoint, sessionName }: AwsMethod,
  account: Account,
  subject: string,
  signal: AbortSignal,
): Promise<Keys> {
  const annotations = await credentials.annotations(account, signal);
  const roleArn = annotations[ROLE_ANNOTATION];
  if (roleArn === undefined || !ROLE_ARN.test(roleArn)) {
    const message = `ServiceAccount ${account.namespace}/${account.name} in cluster ${account.cluster} has no IAM role: annotate it with ${ROLE_ANNOTATION}`;
    throw new SyncError("REFERENCE_INVALID", message);
  }
  const ref = asAnnotated(account, annotations);
  const ownHost = regionalHost(region);
  const endpoint = stsEndpoint ?? `https://${ownHost}`;
  const about = `${subject}: the request to AWS for IAM role ${roleArn}`;
  const refused = () => notAllowed(`${about} was not sent to ${endpoint}`, reach, "as the cluster's vault.stsEndpoint");
  const way = wayToSts(reach, endpoint, ownHost);
  if (way === undefined) throw refused();
  const isTrusted = way === "named" || endpoint === `https://${ownHost}`;
  if (reach.requiresAudiences && !isTrusted) mustBeForAws(ref, region);
  try {
    if (way === "checked") mustBeUnicastHost(new URL(endpoint).hostname);
    const token = await credentials.credential(ref, signal);
    return await fromWebToken({
      roleArn,
      roleSessionName: sessionName ?? "keyferry",
      webIdentityToken: token.value.reveal().toString("utf8"),
      clientConfig: { region, endpoint, maxAttempts: 2, requestHandler: stsRequests(way, signal) },
    })();
  } catch (error) {
    if (error instanceof SyncError) throw error;
    throw isNotAllowed(error) ? refused() : awsFailure(error, about);
  }
}

/** Where a tenant chose the token service: its server could use any other token there, such as at the API server. */
function mustBeForAws({ audiences, ...account }: Account, region: string): void {
  const own = [GLOBAL_HOST, `sts.${partition(region).dnsSuffix}`];
  if (audiences.every((audience) => own.includes(audience))) return;
  const message = `ServiceAccount ${account.namespace}/${account.name} in cluster ${account.cluster} asks for a token with another audience than ${GLOBAL_HOST} for the stsEndpoint of a VaultAuth, and fleet.yaml sets vault.requireAudiences: remove ${AUDIENCE_ANNOTATION}, or name the token service in fleet.yaml, as the cluster's vault.stsEndpoint`;
  throw new SyncError("REFERENCE_INVALID", message);
}

/** Runs at each login: the SDK finds fresh keys. */
async function keysOfProcess(subject: string): Promise<Keys> {
  try {
    return await defaultProvider({ maxRetries: 1, timeout: 2_000 })();
  } catch {
    const message = `${subject}: keyferry's own process has no AWS identity: set secretRef or irsaServiceAccount, or give it one`;
    throw new SyncError("VAULT_LOGIN_REFUSED", message);
  }
}
