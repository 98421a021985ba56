import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { stringify } from "yaml";

/** Keys that AWS would know; a token that they signed is of this user, in these groups. */
export interface AwsPerson {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly arn: string;
}

export interface EksStandInOptions {
  /** The name of the cluster in EKS, and its region. */
  readonly cluster: string;
  readonly region: string;
  /** The identity of keyferry's own process. */
  readonly own: AwsPerson;
  /** Roles that the identity may assume, with the external id that each asks for. */
  readonly roles?: Readonly<Record<string, string | undefined>>;
  /** The ARNs that have an access entry, and their Kubernetes groups. */
  readonly entries: Readonly<Record<string, readonly string[]>>;
  readonly clock?: () => number;
}

/**
 * Stands in for what AWS does for an EKS cluster: DescribeCluster, AssumeRole, and the webhook authenticator that
 * kube-apiserver asks about tokens. It recomputes the signature of a token with the known key.
 */
export interface EksStandIn extends AsyncDisposable {
  readonly url: string;
  /** For processes of keyferry: where EKS and STS are, and who asks. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes the file for `--authentication-token-webhook-config-file`. */
  writeWebhookConfig(path: string): Promise<void>;
  /** What DescribeCluster answers: `cluster` of its answer, or the name of an error. */
  describes(answer: object | string): void;
  /** A token that is refused from now on, however well it is signed; undefined: none. */
  refuse(isRefused: ((token: string) => boolean) | undefined): void;
  readonly counts: { describe: number; assume: number };
  /** What the authenticator said of each token: `accepted`, or why not. */
  readonly verdicts: readonly { readonly token: string; readonly verdict: string }[];
}

const GOOD_MS = 15 * 60_000;

export async function startEksStandIn(options: EksStandInOptions): Promise<EksStandIn> {
  const { own, clock = Date.now } = options;
  const people = new Map<string, AwsPerson>([[own.accessKeyId, own]]);
  const counts = { describe: 0, assume: 0 };
  const verdicts: { token: string; verdict: string }[] = [];
  let described: object | string = "ResourceNotFoundException";
  let isRefused: ((token: string) => boolean) | undefined;
  const describe = (name: string, response: ServerResponse): void => {
    counts.describe += 1;
    const found = name === options.cluster ? described : "ResourceNotFoundException";
    if (typeof found !== "string") {
      json(response, 200, { cluster: found });
      return;
    }
    response.setHeader("x-amzn-errortype", found);
    json(response, STATUS[found] ?? 400, { message: "its own text" });
  };
  const authenticate = (token: string, response: ServerResponse): void => {
    const found = isRefused?.(token) ? "refused by the test" : judged(token, options, people, clock());
    const isKnown = typeof found !== "string";
    verdicts.push({ token, verdict: isKnown ? "accepted" : found });
    const user = isKnown && { user: { username: found.arn, groups: options.entries[found.arn] } };
    const status = { authenticated: isKnown, ...user };
    json(response, 200, { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", status });
  };
  const assume = (asked: URLSearchParams, response: ServerResponse): void => {
    counts.assume += 1;
    assumed(asked, options, people, response, clock());
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const { pathname } = new URL(request.url ?? "/", "http://stand-in");
    const asked = new URLSearchParams(body);
    if (pathname === "/authenticate") authenticate(JSON.parse(body).spec.token, response);
    else if (pathname.startsWith("/clusters/"))
      describe(decodeURIComponent(pathname.slice("/clusters/".length)), response);
    else if (asked.get("Action") === "AssumeRole") assume(asked, response);
    else json(response, 404, {});
  };
  const server = createServer((request, response) => {
    // Whoever asked may have been killed meanwhile.
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    env: {
      AWS_ENDPOINT_URL_EKS: url,
      AWS_ENDPOINT_URL_STS: url,
      AWS_ACCESS_KEY_ID: own.accessKeyId,
      AWS_SECRET_ACCESS_KEY: own.secretAccessKey,
      AWS_EC2_METADATA_DISABLED: "true",
    },
    async writeWebhookConfig(path) {
      const name = "authenticator";
      const config = {
        apiVersion: "v1",
        kind: "Config",
        clusters: [{ name, cluster: { server: `${url}/authenticate` } }],
        users: [{ name }],
        contexts: [{ name, context: { cluster: name, user: name } }],
        "current-context": name,
      };
      await writeFile(path, stringify(config));
    },
    describes(answer) {
      described = answer;
    },
    refuse(next) {
      isRefused = next;
    },
    counts,
    verdicts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const STATUS: Readonly<Record<string, number>> = {
  ResourceNotFoundException: 404,
  AccessDeniedException: 403,
  ThrottlingException: 429,
};

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function assumed(
  asked: URLSearchParams,
  { roles = {} }: EksStandInOptions,
  people: Map<string, AwsPerson>,
  response: ServerResponse,
  now: number,
): void {
  const arn = asked.get("RoleArn") ?? "";
  const type = { "content-type": "text/xml" };
  if (!(arn in roles) || (roles[arn] ?? null) !== asked.get("ExternalId")) {
    const error = "<Error><Type>Sender</Type><Code>AccessDenied</Code><Message>its own text</Message></Error>";
    response.writeHead(403, type).end(`<ErrorResponse>${error}</ErrorResponse>`);
    return;
  }
  const accessKeyId = `ASIA${randomBytes(8).toString("hex").toUpperCase()}`;
  const secretAccessKey = randomBytes(30).toString("base64");
  const sessionToken = randomBytes(40).toString("base64");
  people.set(accessKeyId, { accessKeyId, secretAccessKey, sessionToken, arn });
  const fields = {
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    SessionToken: sessionToken,
    Expiration: new Date(now + 3_600_000).toISOString(),
  };
  const xml = Object.entries(fields).map(([name, value]) => `<${name}>${value}</${name}>`);
  const result = `<AssumeRoleResult><Credentials>${xml.join("")}</Credentials></AssumeRoleResult>`;
  response.writeHead(200, type).end(`<AssumeRoleResponse>${result}</AssumeRoleResponse>`);
}

/** Whose token it is, or why it is refused. Follows AWS's description of Signature Version 4, without its SDK. */
export function judged(
  token: string,
  { cluster, region, entries }: Pick<EksStandInOptions, "cluster" | "region" | "entries">,
  people: ReadonlyMap<string, AwsPerson>,
  now: number,
): AwsPerson | string {
  if (!/^k8s-aws-v1\.[A-Za-z0-9_-]+$/.test(token)) return "no token of EKS";
  const url = new URL(Buffer.from(token.slice("k8s-aws-v1.".length), "base64url").toString());
  const of = (name: string): string => url.searchParams.get(name) ?? "";
  if (url.protocol !== "https:" || url.host !== `sts.${region}.amazonaws.com`) return "another host";
  if (of("Action") !== "GetCallerIdentity") return "another action";
  const date = of("X-Amz-Date");
  const signedAt = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (Number.isNaN(signedAt) || Math.abs(now - signedAt) > GOOD_MS) return "its date is over";
  if (of("X-Amz-SignedHeaders") !== "host;x-k8s-aws-id") return "other headers are signed";
  const [id = "", ...scope] = of("X-Amz-Credential").split("/");
  if (scope.join("/") !== `${date.slice(0, 8)}/${region}/sts/aws4_request`) return "another scope";
  const person = people.get(id);
  if (person === undefined) return "unknown keys";
  if (of("X-Amz-Security-Token") !== (person.sessionToken ?? "")) return "another session";
  const signature = signatureOf(url, cluster, scope, date, person.secretAccessKey);
  const given = Buffer.from(of("X-Amz-Signature"));
  if (given.length !== signature.length || !timingSafeEqual(given, signature)) return "a wrong signature or cluster";
  return person.arn in entries ? person : "no access entry";
}

function signatureOf(url: URL, cluster: string, scope: readonly string[], date: string, secret: string): Buffer {
  const hash = (content: string): string => createHash("sha256").update(content).digest("hex");
  const query = [...url.searchParams]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`)
    .sort();
  const headers = [`host:${url.host}`, `x-k8s-aws-id:${cluster}`, ""];
  const asked = ["GET", "/", query.join("&"), ...headers, "host;x-k8s-aws-id", hash("")].join("\n");
  let key: string | Buffer = `AWS4${secret}`;
  for (const part of scope) key = createHmac("sha256", key).update(part).digest();
  const toSign = ["AWS4-HMAC-SHA256", date, scope.join("/"), hash(asked)].join("\n");
  return Buffer.from(createHmac("sha256", key).update(toSign).digest("hex"));
}
