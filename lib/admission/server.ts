import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { createSecureContext } from "node:tls";
import { MINUTE_MS, SECOND_MS } from "../clock.ts";
import { type ConnectionLimits, type ConnectionOptions, type Connections, connections } from "./connections.ts";
import { type Memory, memory, type Share } from "./memory.ts";
import { type Turns, turns } from "./turns.ts";
import { clusterIn, MAX_REVIEW_BYTES, NOT_FOUND, type ReviewAnswer, type Webhook } from "./webhook.ts";

/** A certificate with its private key, both PEM. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface WebhookServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls: TlsFiles;
  readonly webhook: Webhook;
  /** A bug in a request. */
  readonly onCrash: (error: unknown) => void;
  /** A connection was closed in favour of another one. */
  readonly onDropped: ConnectionOptions["onDropped"];
  readonly limits?: ConnectionLimits;
  /** Milliseconds of any clock that only goes forward. */
  readonly elapsed: () => number;
  /** How long an answer may take to be read; enough for a slow API server when not given. */
  readonly answerMs?: number;
}

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
  /** New connections get this certificate. Throws if it can't be used, and then nothing changes. */
  use(tls: TlsFiles): void;
}

/** API servers answer their own time-out after 30 s at most. */
const REQUEST_MS = 10 * SECOND_MS;
/** Longer than API servers keep an idle connection: so they close it, and never use one that is just being closed. */
const IDLE_MS = 2 * MINUTE_MS;
const MAX_DROPPED_BYTES = 8 * MAX_REVIEW_BYTES;
/** Bodies and answers at the same time: they must not take the memory of the process. */
const MEMORY = { ofCluster: 16 * MAX_REVIEW_BYTES, inAll: 64 * MAX_REVIEW_BYTES, atLeast: MAX_REVIEW_BYTES / 12 };
/** What a request takes beside its body, so that small ones count, too. */
const REQUEST_BYTES = 16 * 1_024;
const CONNECTIONS: ConnectionLimits = { strangers: 1_000, known: 2_000 };
/** How often Node looks for requests that take too long; its default adds half a minute to each limit. */
const CHECKING_MS = 2 * SECOND_MS;

const HEALTHY: ReviewAnswer = { ...NOT_FOUND, status: 200, body: "ok\n" };

/** Serves the webhook by HTTPS, and `/healthz`. Rejects when the address can't be used. */
export async function webhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const { webhook, limits = CONNECTIONS, onDropped, elapsed, answerMs = REQUEST_MS } = options;
  const open = connections({ limits, onDropped });
  const serving: Serving = { webhook, open, memory: memory(MEMORY), turns: turns(elapsed), answerMs };
  const server = createServer(
    {
      ...options.tls,
      minVersion: "TLSv1.2",
      requestTimeout: REQUEST_MS,
      headersTimeout: REQUEST_MS,
      connectionsCheckingInterval: CHECKING_MS,
      keepAliveTimeout: IDLE_MS,
      handshakeTimeout: REQUEST_MS,
    },
    (request, response) => {
      respond(serving, request, response).catch((error: unknown) => {
        options.onCrash(error);
        response.destroy();
      });
    },
  );
  server.on("connection", open.opened);
  // Of those that are dropped, some are still open when the next one comes.
  server.maxConnections = 2 * (limits.strangers + limits.known);
  await listening(server, { host: options.host, port: options.port });
  return {
    port: (server.address() as AddressInfo).port,
    use(tls) {
      // Throws before the server forgets what it has.
      createSecureContext({ ...tls });
      server.setSecureContext({ ...tls, minVersion: "TLSv1.2" });
    },
    async [Symbol.asyncDispose]() {
      const { promise, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      // A review takes milliseconds, so what still has a connection here is idle or broken.
      server.closeIdleConnections();
      setTimeout(() => server.closeAllConnections(), SECOND_MS).unref();
      await promise;
    },
  };
}

interface Serving {
  readonly webhook: Webhook;
  readonly open: Connections;
  readonly memory: Memory;
  readonly turns: Turns;
  readonly answerMs: number;
}

async function respond(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [path = ""] = (request.url ?? "").split("?");
  const answer = await answerTo(serving, path, request, response);
  if (answer === undefined) return void response.destroy();
  // Nobody without a key keeps a connection, and what was not read of a request can't be skipped.
  const mayStay = request.complete && answer !== NOT_FOUND && answer !== HEALTHY;
  response.writeHead(answer.status, {
    ...answer.headers,
    "content-length": Buffer.byteLength(answer.body),
    ...(mayStay ? {} : { connection: "close" }),
  });
  // Node waits for ever for those that do not read their answers.
  const late = setTimeout(() => request.socket.destroy(), serving.answerMs).unref();
  response.once("close", () => clearTimeout(late));
  response.end(answer.body);
}

/** Undefined: the other side has gone. */
async function answerTo(
  serving: Serving,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<ReviewAnswer | undefined> {
  const { method = "" } = request;
  if (path === "/healthz" && (method === "GET" || method === "HEAD")) return HEALTHY;
  // Before the body: nobody without a key gets memory.
  const review = serving.webhook.at(path);
  if (review === undefined) return NOT_FOUND;
  const cluster = clusterIn(path);
  const share = serving.memory.share(cluster);
  const over = serving.open.used(request.socket, cluster, () => share.release());
  if (over === undefined) return undefined;
  response.once("close", over);
  const contentType = request.headers["content-type"];
  const crowded = (): ReviewAnswer => review({ method, contentType, body: "crowded" });
  if (!share.take(REQUEST_BYTES)) return crowded();
  const body = method === "POST" ? await bodyOf(request, share) : undefined;
  if (body === "gone") return undefined;
  const answer = await serving.turns.run(cluster, () =>
    // It may have waited for longer than the other side.
    request.socket.destroyed ? undefined : review({ method, contentType, body }),
  );
  if (answer === undefined) return undefined;
  // An answer takes memory until it is read.
  const hasRoom = answer !== "spent" && share.become(REQUEST_BYTES + Buffer.byteLength(answer.body));
  return hasRoom ? answer : crowded();
}

/**
 * Undefined: too large. What is too much is read and dropped, up to a limit: whoever is still sending when a connection
 * is closed does not get the answer.
 */
async function bodyOf(
  request: IncomingMessage,
  share: Pick<Share, "take">,
): Promise<Buffer | "gone" | "crowded" | undefined> {
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += part.byteLength;
      if (length > MAX_DROPPED_BYTES) return undefined;
      if (length > MAX_REVIEW_BYTES) parts.length = 0;
      else if (share.take(part.byteLength)) parts.push(part);
      else return "crowded";
    }
  } catch {
    return "gone";
  }
  return length > MAX_REVIEW_BYTES ? undefined : Buffer.concat(parts, length);
}

function listening(server: Server, where: { readonly host: string; readonly port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
