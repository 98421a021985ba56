import { partition } from "@aws-sdk/core/client";
import { Sha256 } from "@smithy/core/checksum";
import { HttpRequest } from "@smithy/core/protocols";
import { SignatureV4 } from "@smithy/signature-v4";
import { type Clock, type EpochMs, MINUTE_MS } from "../clock.ts";
import { SecretValue } from "../secret-value.ts";
import { type AwsKeySource, roleOf } from "./aws-keys.ts";

/** The cluster that a token is for, and as which role. */
export interface EksLogin {
  /** Its name in EKS. */
  readonly cluster: string;
  readonly region: string;
  /** Missing: keyferry's own identity. */
  readonly roleArn?: string | undefined;
  readonly externalId?: string | undefined;
}

export interface EksTokenDeps {
  readonly clock: Clock;
  readonly keys: AwsKeySource;
}

/** A bearer token of an EKS cluster. */
export interface EksToken {
  readonly token: SecretValue;
  /**
   * The API server refuses it from then on: 15 min after its signature, or earlier when the keys that sign it end
   * earlier. A session replaces it a minute before: at 14 min.
   */
  readonly expiresAt: EpochMs;
}

/** EKS accepts a token for so long after its signature, whatever X-Amz-Expires says. */
const GOOD_MS = 15 * MINUTE_MS;
/** What `aws eks get-token` signs; in s. */
const EXPIRES_S = 60;

/** A token for EKS: a signed request that EKS sends to AWS. It takes a request only to assume the role. */
export async function eksToken(login: EksLogin, { clock, keys }: EksTokenDeps): Promise<EksToken> {
  const { cluster, region } = login;
  const credentials = await keys(region, roleOf(login));
  const now = clock();
  const url = await signedUrl(cluster, region, credentials, now);
  return {
    token: SecretValue.of(`k8s-aws-v1.${Buffer.from(url).toString("base64url")}`),
    expiresAt: Math.min(now + GOOD_MS, credentials.expiration?.getTime() ?? Number.POSITIVE_INFINITY),
  };
}

async function signedUrl(
  cluster: string,
  region: string,
  { accessKeyId, secretAccessKey, sessionToken }: Awaited<ReturnType<AwsKeySource>>,
  now: EpochMs,
): Promise<string> {
  const signer = new SignatureV4({
    service: "sts",
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }) },
    sha256: Sha256,
  });
  const host = `sts.${region}.${partition(region).dnsSuffix}`;
  const request = new HttpRequest({
    method: "GET",
    protocol: "https:",
    hostname: host,
    path: "/",
    query: { Action: "GetCallerIdentity", Version: "2011-06-15" },
    headers: { host, "x-k8s-aws-id": cluster },
  });
  const { query } = await signer.presign(request, {
    signingDate: new Date(now),
    expiresIn: EXPIRES_S,
    // Not a part of the query: EKS sends it as a header, which proves for which cluster the token was signed.
    unhoistableHeaders: new Set(["x-k8s-aws-id"]),
    unsignableHeaders: new Set(),
  });
  return `https://${host}/?${queryText(query)}`;
}

function queryText(query: HttpRequest["query"] | undefined): string {
  return Object.entries(query ?? {})
    .map(([name, value]) => `${encoded(name)}=${encoded(String(value))}`)
    .join("&");
}

/** RFC 3986, as the signature was computed. */
function encoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
