import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, type Socket } from "node:net";

export interface ConnectProxyOptions {
  /** `user:password` that a client has to send. */
  readonly login?: string;
  /** Where `host:port` of a tunnel is; the proxy resolves names that its clients can't. */
  readonly hosts?: Readonly<Record<string, { readonly host: string; readonly port: number }>>;
  /** Its certificate and key: it is an https:// proxy. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A real forward proxy, for CONNECT alone. */
export interface ConnectProxy extends AsyncDisposable {
  /** Without a user. */
  readonly url: string;
  /** `host:port` of each tunnel that was opened. */
  readonly tunnels: readonly string[];
  /** How many requests were refused for want of the login. */
  refusals(): number;
}

export async function startConnectProxy({ login, hosts = {}, tls }: ConnectProxyOptions = {}): Promise<ConnectProxy> {
  const expected = login === undefined ? undefined : `Basic ${Buffer.from(login).toString("base64")}`;
  const tunnels: string[] = [];
  const sockets = new Set<Socket>();
  let refused = 0;
  const onlyConnect: RequestListener = (_request, response) => response.writeHead(405).end();
  const server = tls === undefined ? createServer(onlyConnect) : createTlsServer(tls, onlyConnect);
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => socket.destroy());
  });
  server.on("connect", (request, client, head) => {
    // The server listens for errors of the connection below TLS only, and a refused client may be gone already.
    client.on("error", () => client.destroy());
    if (expected !== undefined && request.headers["proxy-authorization"] !== expected) {
      refused += 1;
      client.end("HTTP/1.1 407 Proxy Authentication Required\r\nconnection: close\r\n\r\n");
      return;
    }
    const asked = request.url ?? "";
    const url = new URL(`http://${asked}`);
    const { host, port } = hosts[asked] ?? { host: url.hostname, port: Number(url.port || 80) };
    const upstream = connect(port, host);
    let isOpen = false;
    upstream.on("connect", () => {
      isOpen = true;
      tunnels.push(asked);
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      if (head.length > 0) upstream.write(head);
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on("error", () => (isOpen ? client.destroy() : client.end("HTTP/1.1 502 Bad Gateway\r\n\r\n")));
    client.on("close", () => upstream.destroy()).on("error", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    refusals: () => refused,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
