import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer, request } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { testCa } from "../../harness/certificates.ts";
import type { Cluster } from "../../harness/index.ts";

/** A proxy that opens tunnels (CONNECT), and counts them. */
export interface ConnectProxy extends AsyncDisposable {
  readonly url: string;
  seen(): number;
}

export async function connectProxy(): Promise<ConnectProxy> {
  let tunnels = 0;
  const server = createHttpServer((_asked, answer) => void answer.writeHead(405).end());
  server.on("connect", (asked, client) => {
    tunnels += 1;
    const [host = "", port = "443"] = (asked.url ?? "").split(":");
    const upstream = connect(Number(port), host, () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => client.destroy());
    client.on("error", () => upstream.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: () => tunnels,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A proxy before an API server: it checks a name and a password, and logs in by a token. */
export interface BasicProxy extends AsyncDisposable {
  readonly url: string;
  readonly caData: string;
  /** How many requests it got. */
  seen(): number;
}

export async function basicProxy(
  cluster: Cluster,
  { username, password, token }: Readonly<Record<"username" | "password" | "token", string>>,
): Promise<BasicProxy> {
  const ca = await testCa("basic proxy");
  const { cert, key } = await ca.serverCert("proxy", ["127.0.0.1"]);
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  let requests = 0;
  const server = createHttpsServer({ cert, key }, (asked, answer) => {
    requests += 1;
    if (asked.headers.authorization !== expected) return void answer.writeHead(401).end("{}");
    const headers = { ...asked.headers, authorization: `Bearer ${token}` };
    const options = { method: asked.method, headers, ca: cluster.caPem };
    const upstream = request(new URL(asked.url ?? "/", cluster.url), options, (from) => {
      answer.writeHead(from.statusCode ?? 502, from.headers);
      from.pipe(answer);
    });
    upstream.on("error", () => answer.destroy());
    asked.pipe(upstream);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    caData: Buffer.from(ca.pem).toString("base64"),
    seen: () => requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
