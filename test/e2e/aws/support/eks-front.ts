import { createHash } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer, json, text } from "node:stream/consumers";
import { CreateClusterCommand, DescribeClusterCommand, EKSClient } from "@aws-sdk/client-eks";
import { stringify } from "yaml";
import { judged } from "../../../harness/eks-stand-in.ts";
import { type AwsPerson, type Ministack, waitFor } from "../../../harness/index.ts";

/** What the API server of a cluster in EKS is, and which roles have an access entry for which groups. */
export interface EksPlan {
  readonly url: string;
  readonly caPem: string;
  readonly entries: Readonly<Record<string, readonly string[]>>;
}

/**
 * Stands before the EKS and the STS of MiniStack, which judge each request by the policies of roles. MiniStack has no
 * API servers without Docker, so answers of DescribeCluster get the address of a real one. Sessions that STS gives are
 * noted, so that the webhook authenticator of the API servers can recompute signatures with their keys.
 */
export interface EksFront extends AsyncDisposable {
  /** For functions. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes the file for `--authentication-token-webhook-config-file` of this cluster's API server. */
  writeWebhookConfig(cluster: string, path: string): Promise<void>;
  /** From now on requests go there; the clusters are made there, with a role that must exist. */
  before(aws: Ministack, clusters: readonly string[], roleArn: string): Promise<void>;
  serve(cluster: string, plan: EksPlan): void;
  /** The keys that MiniStack gives to a function. */
  knowFunction(functionArn: string, roleArn: string): void;
  /** What the authenticator said of tokens for this cluster: `accepted`, or why not. */
  verdicts(cluster: string): readonly string[];
  /** Status of each answer of EKS and STS, by the action. */
  readonly answers: readonly { readonly action: string; readonly status: number }[];
}

export async function startEksFront(region: string): Promise<EksFront> {
  const plans = new Map<string, EksPlan>();
  const people = new Map<string, AwsPerson>();
  const verdicts = new Map<string, string[]>();
  const answers: { action: string; status: number }[] = [];
  let aws: Ministack | undefined;

  const authenticate = async (cluster: string, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { spec } = (await json(request)) as { spec: { token: string } };
    const entries = plans.get(cluster)?.entries ?? {};
    const found = judged(spec.token, { cluster, region, entries }, people, Date.now());
    const isKnown = typeof found !== "string";
    verdicts.set(cluster, [...(verdicts.get(cluster) ?? []), isKnown ? "accepted" : found]);
    const user = isKnown && { user: { username: found.arn, groups: entries[found.arn] } };
    const status = { authenticated: isKnown, ...user };
    send(response, 200, JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", status }));
  };
  const pass = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url = "/" } = request;
    const body = await buffer(request);
    const answer = await forwarded(aws?.url ?? "", request, body);
    const { statusCode: status = 500 } = answer;
    const said = await text(answer);
    const asked = new URLSearchParams(body.toString());
    const cluster = /^\/clusters\/([^/]+)$/.exec(url)?.[1];
    answers.push({ action: cluster ? "DescribeCluster" : (asked.get("Action") ?? url), status });
    if (status === 200 && asked.get("Action") === "AssumeRole") know(sessionIn(said, asked.get("RoleArn") ?? ""));
    send(response, status, cluster && status === 200 ? placed(said, plans.get(cluster)) : said, answer);
  };
  const know = (person: AwsPerson): void => void people.set(person.accessKeyId, person);
  const server = createServer((request, response) => {
    const [, cluster] = /^\/authenticate\/([^/?]+)/.exec(request.url ?? "") ?? [];
    const handled = cluster ? authenticate(cluster, request, response) : pass(request, response);
    handled.catch(() => response.writeHead(502).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    env: { AWS_ENDPOINT_URL_EKS: url, AWS_ENDPOINT_URL_STS: url },
    writeWebhookConfig: (cluster, path) => writeFile(path, webhookConfig(`${url}/authenticate/${cluster}`)),
    async before(made, clusters, roleArn) {
      aws = made;
      await makeClusters(made, clusters, roleArn);
    },
    serve: (cluster, plan) => void plans.set(cluster, plan),
    knowFunction: (functionArn, roleArn) => know(keysOf(functionArn, roleArn)),
    verdicts: (cluster) => verdicts.get(cluster) ?? [],
    answers,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** As it came, host included: that is a part of what was signed. */
function forwarded(
  base: string,
  { method, url = "/", headers }: IncomingMessage,
  body: Buffer,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const onward = httpRequest(new URL(url, base), { ...(method ? { method } : {}), headers }, resolve);
    onward.on("error", reject).end(body);
  });
}

function send(
  response: ServerResponse,
  status: number,
  body: string,
  { headers }: Partial<IncomingMessage> = {},
): void {
  const { "content-type": type = "application/json", "x-amzn-errortype": error } = headers ?? {};
  response.writeHead(status, { "content-type": type, ...(error ? { "x-amzn-errortype": error } : {}) }).end(body);
}

/** The answer of DescribeCluster, with the place of the real API server. */
function placed(answer: string, plan: EksPlan | undefined): string {
  const { cluster } = JSON.parse(answer) as { cluster: object };
  const data = Buffer.from(plan?.caPem ?? "").toString("base64");
  return JSON.stringify({ cluster: { ...cluster, endpoint: plan?.url, certificateAuthority: { data } } });
}

/** The keys of a session, from the answer of AssumeRole. */
function sessionIn(xml: string, arn: string): AwsPerson {
  const of = (name: string): string => new RegExp(`<${name}>([^<]+)<`).exec(xml)?.[1] ?? "";
  return {
    accessKeyId: of("AccessKeyId"),
    secretAccessKey: of("SecretAccessKey"),
    sessionToken: of("SessionToken"),
    arn,
  };
}

/** MiniStack derives a function's keys from ARNs (`execution_credentials` of its lambda_runtime.py). */
function keysOf(functionArn: string, roleArn: string): AwsPerson {
  const hash = (text: string): string => createHash("sha256").update(text).digest("hex");
  const digest = hash(`${functionArn}:${roleArn}`);
  return {
    accessKeyId: `ASIA${digest.slice(0, 16).toUpperCase()}`,
    secretAccessKey: hash(`secret:${digest}`),
    sessionToken: hash(`token:${digest}`),
    arn: roleArn,
  };
}

async function makeClusters({ clientConfig }: Ministack, names: readonly string[], roleArn: string): Promise<void> {
  const client = new EKSClient(clientConfig);
  for (const name of names) {
    await client.send(new CreateClusterCommand({ name, roleArn, resourcesVpcConfig: {} }));
  }
  await waitFor("the clusters to be active", async () => {
    const found = await Promise.all(names.map((name) => client.send(new DescribeClusterCommand({ name }))));
    return found.every(({ cluster }) => cluster?.status === "ACTIVE");
  });
}

function webhookConfig(server: string): string {
  const name = "authenticator";
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name, cluster: { server } }],
    users: [{ name }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    "current-context": name,
  });
}
