import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import type { KeyPairPem } from "../certificates.ts";

/**
 * A Vault behind a server that adds the event notifications of Vault Enterprise: written from Vault's documentation; no
 * Vault Enterprise was run. Writes of kv-v2 through it send the documented frame to every subscription.
 */
export interface VaultWithEvents extends AsyncDisposable {
  readonly address: string;
  /** Each subscription that was asked for: its path with its query, and its token and Vault namespace. */
  readonly asked: readonly { readonly path: string; readonly token: string; readonly namespace: string }[];
  /** Subscriptions that are open. */
  open(): number;
  /** Pings that arrived. */
  pings(): number;
  /** Sends a frame to each subscription. */
  send(frame: string | Buffer): void;
  /** Ends all subscriptions without a closing handshake. */
  drop(): void;
  /** From now on the open subscriptions answer nothing, not even pings, and their connections stay open. */
  freeze(): void;
  /** In place of a subscription. Undefined: it opens. */
  answer: { readonly status: number; readonly body?: string; readonly location?: string } | undefined;
}

const SUBSCRIBE = "/v1/sys/events/subscribe/";

export async function vaultWithEvents(
  vault: string,
  { tls }: { readonly tls?: KeyPairPem } = {},
): Promise<VaultWithEvents> {
  const asked: { path: string; token: string; namespace: string }[] = [];
  const sockets = new Map<WebSocket, Duplex>();
  let pings = 0;
  const upgrader = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const serve = (message: IncomingMessage, response: ServerResponse) => pass(vault, message, response, it.send);
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  const refuse = (
    socket: Duplex,
    { status, body = '{"errors":[]}', location }: NonNullable<VaultWithEvents["answer"]>,
  ) => {
    const more = location === undefined ? "" : `location: ${location}\r\n`;
    socket.end(
      `HTTP/1.1 ${status} Refused\r\n${more}content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    );
  };
  server.on("upgrade", (message, socket, head) => {
    socket.on("error", () => socket.destroy());
    // The Vault behind may have ended: then there is no subscription.
    (async () => {
      const token = headerOf(message, "x-vault-token");
      asked.push({ path: message.url ?? "", token, namespace: headerOf(message, "x-vault-namespace") });
      if (it.answer !== undefined) return refuse(socket, it.answer);
      if (!message.url?.startsWith(SUBSCRIBE)) return refuse(socket, { status: 404 });
      const known = await fetch(`${vault}/v1/auth/token/lookup-self`, { headers: { "x-vault-token": token } });
      if (known.status !== 200) return refuse(socket, { status: 403, body: '{"errors":["permission denied"]}' });
      upgrader.handleUpgrade(message, socket, head, (opened) => {
        sockets.set(opened, socket);
        opened.on("ping", () => {
          pings += 1;
        });
        opened.on("close", () => sockets.delete(opened)).on("error", () => undefined);
      });
    })().catch(() => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const it: VaultWithEvents = {
    address: `${tls === undefined ? "http" : "https"}://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: undefined,
    open: () => sockets.size,
    pings: () => pings,
    send(frame) {
      for (const socket of sockets.keys()) socket.send(frame);
    },
    drop() {
      for (const socket of sockets.keys()) socket.terminate();
    },
    freeze() {
      for (const socket of sockets.values()) socket.pause();
    },
    async [Symbol.asyncDispose]() {
      for (const [socket, raw] of sockets) {
        socket.terminate();
        raw.destroy();
      }
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return it;
}

/** The frame of a kv-v2 write, as the documentation shows it. */
export function dataWrite(mount: string, path: string, version: number, namespace = ""): string {
  const id = "901f2388-aabb-a385-7bc0-0b09d5fa060a";
  const metadata = {
    current_version: String(version),
    data_path: `${mount}/data/${path}`,
    modified: "true",
    oldest_version: "0",
    operation: "data-write",
    path: `${mount}/data/${path}`,
  };
  const plugin = { mount_class: "secret", mount_accessor: "kv_5dc4d18e", mount_path: `${mount}/`, plugin: "kv" };
  return JSON.stringify({
    id,
    source: "https://vaultproject.io/",
    specversion: "1.0",
    type: "*",
    data: {
      event: { id, metadata },
      event_type: "kv-v2/data-write",
      namespace,
      plugin_info: { ...plugin, version: "2" },
    },
    datacontentype: "application/cloudevents",
    time: new Date().toISOString(),
  });
}

function headerOf({ headers }: IncomingMessage, name: string): string {
  return String(headers[name] ?? "");
}

function pass(to: string, asked: IncomingMessage, response: ServerResponse, send: (frame: string) => void): void {
  const written = /^\/v1\/(?<mount>[^/]+)\/data\/(?<path>.+)$/.exec(asked.url ?? "")?.groups;
  const onward = request(new URL(asked.url ?? "/", to), { method: asked.method, headers: asked.headers }, (got) => {
    const parts: Buffer[] = [];
    got.on("data", (part: Buffer) => parts.push(part));
    got.on("end", () => {
      const body = Buffer.concat(parts);
      response.writeHead(got.statusCode ?? 502, got.headers).end(body);
      if (asked.method === "GET" || got.statusCode !== 200 || written === undefined) return;
      const { data } = JSON.parse(body.toString("utf8")) as { data: { version: number } };
      send(dataWrite(String(written.mount), String(written.path), data.version));
    });
  });
  onward.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
  asked.on("error", () => onward.destroy());
  asked.pipe(onward);
}
