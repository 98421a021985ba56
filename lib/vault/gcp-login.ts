import { Agent } from "undici";
import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { CredentialSource } from "../ports/credentials.ts";
import type { GcpMethod } from "../ports/vault.ts";
import { boundedBody } from "../util/bounded-body.ts";
import { cloudDeadline } from "./cloud-errors.ts";

/** Addresses of Google's two services; tests set others. */
export interface GoogleEndpoints {
  readonly sts: string;
  readonly iamCredentials: string;
}

export interface GcpLoginDeps {
  readonly credentials: CredentialSource;
  readonly google?: GoogleEndpoints | undefined;
}

const GOOGLE: GoogleEndpoints = {
  sts: "https://sts.googleapis.com",
  iamCredentials: "https://iamcredentials.googleapis.com",
};
const SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const ACCOUNT_ANNOTATION = "iam.gke.io/gcp-service-account";
const ACCOUNT = /^[a-z0-9-]{1,63}@[a-z0-9.-]{1,200}\.iam\.gserviceaccount\.com$/;
const TIMEOUT_MS = 8 * SECOND_MS;
/** An answer holds a token of a few KB. */
const MAX_BYTES = 1_024 * 1_024;

/**
 * The body of a login to a GCP mount. Google exchanges the service account's token for one of its own, and with that
 * the bound Google service account signs an ID token for this role. `subject` names the Vault in messages.
 */
export async function gcpLoginBody(
  deps: GcpLoginDeps,
  method: GcpMethod,
  subject: string,
  signal: AbortSignal,
): Promise<Record<string, string>> {
  const { google = GOOGLE, credentials } = deps;
  const { credential: account, role } = method;
  const email = (await credentials.annotations(account, signal))[ACCOUNT_ANNOTATION];
  if (email === undefined || !ACCOUNT.test(email)) {
    const message = `ServiceAccount ${account.namespace}/${account.name} in cluster ${account.cluster} has no Google service account: annotate it with ${ACCOUNT_ANNOTATION}`;
    throw new SyncError("REFERENCE_INVALID", message);
  }
  const { value } = await credentials.credential(account, signal);
  const token = value.reveal().toString("utf8");
  const exchange = { url: `${google.sts}/v1/token`, what: `${subject}: the request to Google to exchange the token` };
  const accessToken = await asked({ ...exchange, body: exchangeBody(method, token), answer: "access_token" }, signal);
  const url = `${google.iamCredentials}/v1/projects/-/serviceAccounts/${encodeURIComponent(email)}:generateIdToken`;
  const what = `${subject}: the request to Google for an ID token of ${email}`;
  const body = { audience: `https://vault/${role}`, includeEmail: true };
  return { role, jwt: await asked({ url, what, body, answer: "token", accessToken }, signal) };
}

/** For the cluster's workload identity pool, as RFC 8693 and Google's token service define it. */
function exchangeBody({ projectID, region, clusterName }: GcpMethod, token: string): object {
  const provider = `https://container.googleapis.com/v1/projects/${projectID}/locations/${region}/clusters/${clusterName}`;
  return {
    grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: `identitynamespace:${projectID}.svc.id.goog:${provider}`,
    scope: SCOPE,
    requestedTokenType: "urn:ietf:params:oauth:token-type:access_token",
    subjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
    subjectToken: token,
  };
}

interface Question {
  readonly url: string;
  readonly what: string;
  readonly body: object;
  /** The member of the answer to return. */
  readonly answer: string;
  readonly accessToken?: string;
}

async function asked({ url, what, body, answer, accessToken }: Question, signal: AbortSignal): Promise<string> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  const headers = {
    "content-type": "application/json",
    accept: "application/json",
    ...(accessToken && { authorization: `Bearer ${accessToken}` }),
  };
  const work = (async () => {
    // Our own dispatcher: the global one may use a proxy of the environment.
    const dispatcher = new Agent();
    try {
      const { origin, pathname, search } = new URL(url);
      const message = { method: "POST", headers, body: JSON.stringify(body), signal: ended } as const;
      const response = await dispatcher.request({ origin, path: `${pathname}${search}`, ...message });
      return { status: response.statusCode, text: String(await boundedBody(response.body, MAX_BYTES)) };
    } finally {
      dispatcher.destroy().catch(() => {});
    }
  })().catch(() => undefined);
  const got = await cloudDeadline(work, what, signal);
  if (got === undefined || got.status >= 500 || got.status === 429) {
    const status = got === undefined ? "" : ` (${got.status})`;
    throw new SyncError("CLOUD_UNAVAILABLE", `${what} got no answer or failed${status}`);
  }
  const value = got.status === 200 ? memberOf(got.text, answer) : undefined;
  if (value !== undefined) return value;
  const remedy =
    "check region, clusterName, projectID, the cluster's workload identity, and the account's IAM bindings";
  throw new SyncError("VAULT_LOGIN_REFUSED", `${what} was refused (${got.status}): ${remedy}`);
}

function memberOf(text: string, member: string): string | undefined {
  try {
    const value = (JSON.parse(text) as Readonly<Record<string, unknown>>)[member];
    return typeof value === "string" && value !== "" ? value : undefined;
  } catch {
    return undefined;
  }
}
