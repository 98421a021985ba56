import type { RequestOptions } from "node:https";
import type { KubeConfig } from "@kubernetes/client-node";
import { type Dispatcher, Pool, ProxyAgent, Socks5ProxyAgent } from "undici";
import { fingerprint } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { codeOf } from "../util/error-code.ts";

/** Requests to one cluster at a time; more wait their turn. */
const CONNECTIONS = 16;

/** Shorter than load balancers cut idle connections (60 s), longer than undici's 4 s: a TLS handshake costs more than a request. */
const KEEP_ALIVE_MS = 30_000;

/** One version of a cluster's credentials with the connections made under it. */
export interface Connection {
  readonly origin: string;
  /** The path that the server's address has, without a slash at its end; empty for most. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For requests with an answer. */
  readonly requests: Dispatcher;
  /** For watches, which keep a connection each. */
  readonly watches: Dispatcher;
  /** Changes with the TLS side of the credentials: another one needs new connections. */
  readonly tlsId: string;
  /** Lets running requests end, then closes. */
  close(): void;
}

/** Takes server, TLS and login from a kubeconfig as they are now; keeps the connections of `before` if its TLS is the same. */
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
  const tlsId = fingerprint(server.href, ...material.map((part) => String(part ?? "")));
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

/** What client-node makes of the kubeconfig: files are read and plugins are run here. */
async function credentialsOf(cluster: string, config: KubeConfig, timeoutMs: number): Promise<RequestOptions> {
  const options: RequestOptions = {};
  const { promise: tooLate, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("timed out")), timeoutMs);
  try {
    await Promise.race([config.applyToHTTPSOptions(options), tooLate]);
  } catch (error) {
    // A plugin's own words are kept for debuggers only: they may hold what it works with.
    const message = `cluster ${cluster}: its credentials can't be had (${codeOf(error) ?? "the plugin failed"}): check the files and plugins that its kubeconfig names`;
    throw new SyncError("KUBE_LOGIN_REFUSED", message, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no say.
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
  // Each certificate of the bundle is believed, whoever issued it: an intermediate's is as good as a root's.
  const tls = {
    ...defined({ ca, cert, key, passphrase, servername, rejectUnauthorized }),
    allowPartialTrustChain: true,
  };
  // HTTP/1.1: a connection per running request costs less CPU than streams in one. Each request has its own time-out and its
  // own longest answer, so undici keeps none.
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

/** Without the members that are undefined. */
function defined<T extends object>(members: T): Defined<T> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as Defined<T>;
}
