import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";

/** Stands between a client and AWS's APIs, and notes the IAM action of each request. */
export interface Recorder extends AsyncDisposable {
  readonly url: string;
  readonly actions: ReadonlySet<string>;
}

/** Passes requests on as they are, with the signed Host header, and as a proxy that took them by TLS. */
export async function startRecorder(target: string): Promise<Recorder> {
  const actions = new Set<string>();
  const { hostname, port } = new URL(target);
  const server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on("data", (part: Buffer) => void parts.push(part));
    incoming.on("end", () => {
      const body = Buffer.concat(parts);
      for (const action of actionsOf(incoming.method ?? "", incoming.url ?? "", incoming.headers, body)) {
        actions.add(action);
      }
      const headers = { ...incoming.headers, "x-forwarded-proto": "https" };
      const options = { hostname, port, method: incoming.method, path: incoming.url, headers };
      const passed = request(options, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      passed.on("error", () => outgoing.destroy());
      passed.end(body);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    actions,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

function actionsOf(method: string, url: string, headers: Headers, body: Buffer): readonly string[] {
  const service = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(String(headers.authorization ?? ""))?.[1];
  if (service === undefined) return [];
  const { pathname, searchParams } = new URL(url, "http://aws");
  if (service === "s3") return s3Actions(method, pathname, searchParams);
  if (service === "lambda") return [lambdaAction(method, pathname)];
  const named = searchParams.get("Action") ?? new URLSearchParams(body.toString()).get("Action");
  const target = String(headers["x-amz-target"] ?? pathname)
    .split(/[./]/)
    .at(-1);
  // CloudWatch signs with the name that it had before.
  return [`${service === "monitoring" ? "cloudwatch" : service}:${named ?? target}`];
}

/** By AWS's table of S3's operations and the actions that they need. */
function s3Actions(method: string, path: string, query: URLSearchParams): readonly string[] {
  const isObject = /^\/[^/]+\/./.test(path);
  if (method === "POST" && query.has("delete")) return ["s3:DeleteObject"];
  if (isObject) return [`s3:${{ GET: "GetObject", HEAD: "GetObject", DELETE: "DeleteObject" }[method] ?? "PutObject"}`];
  if (query.has("encryption")) return ["s3:GetEncryptionConfiguration"];
  if (query.has("location")) return ["s3:GetBucketLocation"];
  if (query.has("versions")) return ["s3:ListBucketVersions"];
  if (method === "GET" || method === "HEAD") return [path === "/" ? "s3:ListAllMyBuckets" : "s3:ListBucket"];
  return [`s3:${method} ${path}?${query}`];
}

function lambdaAction(method: string, path: string): string {
  const isFunction = /\/functions\/[^/]+(\/code)?$/.test(path);
  if (method === "GET" && isFunction) return "lambda:GetFunction";
  if (method === "GET" && path.endsWith("/configuration")) return "lambda:GetFunctionConfiguration";
  if (method === "GET" && path.endsWith("/concurrency")) return "lambda:GetFunctionConcurrency";
  if (method === "GET" && /\/event-source-mappings\/?$/.test(path)) return "lambda:ListEventSourceMappings";
  return `lambda:${method} ${path}`;
}
