import { createPublicKey, createVerify, generateKeyPairSync, sign } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Cluster } from "../harness/index.ts";

export interface GooglePlan {
  readonly cluster: Cluster;
  readonly projectID: string;
  readonly region: string;
  readonly clusterName: string;
  /** The one Google service account that there is, and who of the cluster may act as it. */
  readonly email: string;
  readonly member: string;
}

/** Stands in for Google, which tests can't reach: refuses all that its API's documentation does not describe. */
export interface Google extends AsyncDisposable {
  readonly endpoints: { readonly sts: string; readonly iamCredentials: string };
  /** What its ID tokens are signed with. */
  readonly publicKeyPem: string;
  /** Answers this status to everything, until it is told `undefined`. */
  fail(status: number | undefined): void;
}

const ISSUER = "https://accounts.google.com";
const ACCESS_TOKEN = "ya29.s3cr3t-access";
const TOKEN_TYPE = "urn:ietf:params:oauth:token-type:";

type Answer = readonly [status: number, body: object];
const refused = (message: string): Answer => [400, { error: { code: 400, message, status: "INVALID_ARGUMENT" } }];
const json64 = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token, for the pool of a GKE cluster. */
function exchanged(plan: GooglePlan, body: Readonly<Record<string, unknown>>): Answer {
  const { cluster, projectID, region, clusterName } = plan;
  const provider = `https://container.googleapis.com/v1/projects/${projectID}/locations/${region}/clusters/${clusterName}`;
  const wanted = {
    grantType: "urn:ietf:params:oauth:grant-type:token-exchange",
    audience: `identitynamespace:${projectID}.svc.id.goog:${provider}`,
    scope: "https://www.googleapis.com/auth/cloud-platform",
    requestedTokenType: `${TOKEN_TYPE}access_token`,
    subjectTokenType: `${TOKEN_TYPE}jwt`,
  };
  const { subjectToken, ...rest } = body;
  for (const [field, value] of Object.entries(wanted)) if (rest[field] !== value) return refused(`${field} is wrong`);
  if (Object.keys(rest).length !== Object.keys(wanted).length) return refused("an unknown field");
  const claims = claimsOf(cluster, String(subjectToken));
  const isForPool = claims?.aud.length === 1 && claims.aud[0] === `${projectID}.svc.id.goog`;
  if (claims === undefined || !isForPool || claims.exp * 1_000 < Date.now())
    return refused("subjectToken is not valid");
  if (claims.sub !== plan.member) return [403, { error: { code: 403, status: "PERMISSION_DENIED" } }];
  const more = { issued_token_type: `${TOKEN_TYPE}access_token`, token_type: "Bearer", expires_in: 3_600 };
  return [200, { access_token: ACCESS_TOKEN, ...more }];
}

function claimsOf(cluster: Cluster, token: string) {
  const [head = "", payload = "", signature = ""] = token.split(".");
  const verify = createVerify("RSA-SHA256").update(`${head}.${payload}`);
  const key = createPublicKey(cluster.serviceAccountPublicKeyPem);
  if (!verify.verify(key, Buffer.from(signature, "base64url"))) return undefined;
  return JSON.parse(Buffer.from(payload, "base64url").toString()) as { aud: string[]; sub: string; exp: number };
}

async function bodyOf(message: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>;
}

export async function startGoogle(plan: GooglePlan): Promise<Google> {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  let failure: number | undefined;

  /** https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateIdToken */
  const idToken = (authorization: string | undefined, body: Readonly<Record<string, unknown>>): Answer => {
    if (authorization !== `Bearer ${ACCESS_TOKEN}`) return [401, { error: { code: 401, status: "UNAUTHENTICATED" } }];
    const { audience, includeEmail, ...rest } = body;
    if (typeof audience !== "string" || Object.keys(rest).length > 0) return refused("the body is not as documented");
    const now = Math.floor(Date.now() / 1_000);
    const email = includeEmail === true ? { email: plan.email, email_verified: true } : {};
    const claims = { iss: ISSUER, sub: "1097", azp: "1097", aud: audience, iat: now, exp: now + 3_600, ...email };
    const text = `${json64({ alg: "RS256", typ: "JWT", kid: "google" })}.${json64(claims)}`;
    return [200, { token: `${text}.${sign("RSA-SHA256", Buffer.from(text), privateKey).toString("base64url")}` }];
  };
  const answerTo = async (message: IncomingMessage): Promise<Answer> => {
    const body = await bodyOf(message);
    const { method, url, headers } = message;
    if (failure !== undefined) return [failure, { error: { code: failure } }];
    if (method !== "POST" || headers["content-type"] !== "application/json") return refused("not a POST of JSON");
    if (url === "/v1/token") return exchanged(plan, body);
    const account = `/v1/projects/-/serviceAccounts/${encodeURIComponent(plan.email)}:generateIdToken`;
    return url === account ? idToken(headers.authorization, body) : [404, { error: { code: 404 } }];
  };
  const server = createServer(async (message, response) => {
    const [status, body] = await answerTo(message);
    response.writeHead(status, { "content-type": "application/json; charset=UTF-8" }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoints: { sts: url, iamCredentials: url },
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    fail(status) {
      failure = status;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
