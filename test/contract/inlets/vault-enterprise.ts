import { createHash } from "node:crypto";
import { createServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/**
 * A stand-in for Vault Enterprise: an AppRole login, lookup-self, and `sys/events/subscribe` as its documentation
 * describes it. No Vault Enterprise was at hand.
 */
export interface StandIn extends AsyncDisposable {
  readonly address: string;
  /** The paths and namespaces of the subscriptions that were opened. */
  readonly subscriptions: { readonly path: string; readonly namespace: string | undefined }[];
  logins(): number;
  send(text: string): void;
  /** Cuts the open subscriptions. */
  cut(): void;
  /** All tokens up to now are refused from now on. */
  revoke(): void;
  /** Answers subscriptions as a Vault without them. */
  isCommunity: boolean;
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

export async function startStandIn(): Promise<StandIn> {
  const open = new Set<Socket>();
  let valid = new Set<string>();
  let logins = 0;
  const server = createServer((request, response) => {
    const answer = (status: number, body: object): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    };
    request.resume();
    if (request.url === "/v1/auth/approle/login") {
      logins += 1;
      const token = `token-${logins}`;
      valid.add(token);
      const auth = { client_token: token, accessor: `accessor-${logins}`, lease_duration: 3_600, renewable: true };
      answer(200, { auth: { ...auth, token_type: "service", policies: [], num_uses: 0 } });
    } else if (!valid.has(String(request.headers["x-vault-token"]))) answer(403, { errors: ["permission denied"] });
    else answer(200, { data: { ttl: 3_600 } });
  });
  const standIn: Omit<StandIn, "address" | keyof AsyncDisposable> = {
    subscriptions: [],
    isCommunity: false,
    logins: () => logins,
    send(text) {
      for (const socket of open) socket.write(frameOf(text));
    },
    cut() {
      for (const socket of open) socket.destroy();
    },
    revoke() {
      valid = new Set();
    },
  };
  server.on("upgrade", (request, socket: Socket) => {
    socket.on("error", () => undefined);
    if (standIn.isCommunity || !valid.has(String(request.headers["x-vault-token"]))) {
      socket.end("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    const accept = createHash("sha1").update(`${request.headers["sec-websocket-key"]}${GUID}`).digest("base64");
    const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
    socket.write(`${upgrade}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    open.add(socket);
    socket.on("close", () => open.delete(socket));
    socket.resume();
    standIn.subscriptions.push({
      path: request.url ?? "",
      namespace: request.headers["x-vault-namespace"]?.toString(),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(standIn, {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      standIn.cut();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** A text frame of a server. */
function frameOf(text: string): Buffer {
  const body = Buffer.from(text);
  const head = body.length < 126 ? Buffer.from([0x81, body.length]) : Buffer.from([0x81, 126, 0, 0]);
  if (body.length >= 126) head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}
