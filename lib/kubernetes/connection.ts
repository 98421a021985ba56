import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { type Dispatcher, Pool, ProxyAgent, Socks5ProxyAgent } from "undici";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { codeOf } from "../util/error-code.ts";

/** Concurrent requests to one cluster; more wait. */
const CONNECTIONS = 16;

/**
 * Shorter than load balancers keep idle connections (60 s), longer than undici's 4 s: a TLS handshake costs more than a
 * request.
 */
const KEEP_ALIVE_MS = 30_000;

/** One version of a cluster's credentials, with its connections. */
export interface Connection {
  readonly origin: string;
  /** The path of the server's address without a final slash; usually empty. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For all requests but watches. */
  readonly requests: Dispatcher;
  /** For watches, each of which occupies a connection. */
  readonly watches: Dispatcher;
  /** Identifies server, proxy and the TLS part of the credentials: when it changes, new connections are needed. */
  readonly tlsId: string;
  /** Closes after the running requests. */
  close(): void;
}

/** Reads server, TLS and login from a kubeconfig; keeps the connections of `before` if only the login changed. */
export async function connect(
  cluster: string,
  config: KubeConfig,
  timeoutMs: number,
  before?: Connection,
): Promise<Connection> {
  const server = new URL(config.getCurrentCluster()?.server ?? "");
  const options = await credentialsOf(cluster, config, timeoutMs);
  const headers = headersOf(options);
  const material = [options.ca, options.cert, options.key, options.servername, options.rejectUnauthorized];
  const proxy = config.getCurrentCluster()?.proxyUrl ?? "";
  const tlsId = fingerprint(server.href, proxy, ...material.map((part) => String(part ?? "")));
  if (before?.tlsId === tlsId) return { ...before, headers };
  const dispatcher = (connections: number | null): Dispatcher =>
    dispatcherFor(config, server.origin, options, { connections, timeoutMs });
  const requests = dispatcher(CONNECTIONS);
  const watches = dispatcher(null);
  return {
    origin: server.origin,
    prefix: server.pathname.replace(/\/$/, ""),
    headers,
    requests,
    watches,
    tlsId,
    close() {
      for (const pool of [requests, watches]) void pool.close().catch(() => undefined);
    },
  };
}

/** client-node's reading of the kubeconfig, which reads files and runs plugins. */
async function credentialsOf(cluster: string, config: KubeConfig, timeoutMs: number): Promise<RequestOptions> {
  const options: RequestOptions = {};
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("timed out")), timeoutMs);
  try {
    await Promise.race([config.applyToHTTPSOptions(options), tooLate]);
  } catch (error) {
    // Only the cause has the plugin's own text, for debugging: it may contain credentials.
    const message = `cluster ${cluster}: can't get its credentials (${codeOf(error) ?? "the plugin failed"}): check the files and plugins in its kubeconfig`;
    throw new SyncError("KUBE_LOGIN_REFUSED", message, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
  options.rejectUnauthorized ??= true;
  return options;
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (typeof value === "string") headers[name.toLowerCase()] = value.trim();
  }
  if (options.auth) headers.authorization = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  return headers;
}

interface PoolOptions {
  readonly connections: number | null;
  readonly timeoutMs: number;
}

function dispatcherFor(
  config: KubeConfig,
  origin: string,
  { ca, cert, key, passphrase, servername, rejectUnauthorized }: RequestOptions,
  { connections, timeoutMs }: PoolOptions,
): Dispatcher {
  // Trusts each certificate of the bundle, intermediates as well as roots.
  const tls = {
    ...defined({ ca, cert, key, passphrase, servername, rejectUnauthorized }),
    allowPartialTrustChain: true,
  };
  // HTTP/1.1, because a connection per request costs less CPU than streams in one. Each request has its own time-out
  // and size limit, so undici has none.
  const pool = {
    connections,
    allowH2: false,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
  };
  const tcp = { timeout: timeoutMs, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS };
  const proxy = config.getCurrentCluster()?.proxyUrl;
  if (!proxy) return new Pool(origin, { ...pool, connect: { ...tcp, ...tls } });
  if (proxy.startsWith("socks")) return new Socks5ProxyAgent(proxy, { ...pool, requestTls: tls });
  return new ProxyAgent({ ...pool, uri: proxy, requestTls: { ...tcp, ...tls }, connect: tcp });
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without undefined members. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
}
