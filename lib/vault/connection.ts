import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import nodeVault from "node-vault";
import { Agent, buildConnector, ProxyAgent } from "undici";
import { SyncError } from "../errors.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { pemCertificates } from "../util/pem.ts";
import { addressProblem, normalAddress } from "../vault-address.ts";
import type { VaultReach } from "../vault-reach.ts";
import { guarded, guardedLookup } from "./address-guard.ts";
import { type Agents, agentsOf } from "./agents.ts";
import { type Asked, describe } from "./asked.ts";
import type { OpenSocket } from "./event-socket.ts";
import { proxyClient } from "./proxy-client.ts";
import { type HttpMessage, send } from "./transport.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** Below the idle time-outs of usual load balancers (50 to 60 s) and of Vault (5 min). */
const KEEP_ALIVE_MS = 20_000;
/** An event of Vault takes about a KB. */
const MAX_FRAME_BYTES = 1_024 * 1_024;

/** What our transport needs, besides what node-vault sets. */
interface RequestOptions {
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly asked: Asked;
  readonly timeoutMs: number;
  readonly reach: VaultReach;
  readonly signal: AbortSignal;
}

export interface ConnectionOptions {
  readonly connections: number;
  /** Missing: this process has no subscriptions. */
  readonly openSocket?: OpenSocket | undefined;
}

/** Kept-alive connections to one Vault with one set of TLS settings. */
export interface Connection {
  readonly api: nodeVault.client;
  readonly agents: Agents;
}

/**
 * node-vault with our transport: its own one (axios) uses proxies of the environment, parses numbers and can't be
 * aborted.
 */
export function connect(target: VaultTarget, asked: Asked, { connections, openSocket }: ConnectionOptions): Connection {
  // Our own time-out and size limit cover the whole exchange.
  const webSocket = { maxPayloadSize: MAX_FRAME_BYTES };
  const pool = { connections, keepAliveTimeout: KEEP_ALIVE_MS, headersTimeout: 0, bodyTimeout: 0, webSocket };
  const address = endpointOf(target, asked);
  const trust = trustOf(target, asked);
  const agents = agentsOf({
    named: () => new Agent({ ...pool, connect: buildConnector(trust) }),
    checked: () => new Agent({ ...pool, connect: guarded(buildConnector({ ...trust, lookup: guardedLookup })) }),
    // TLS to an https:// proxy has nothing of Vault's TLS settings.
    behind: (uri) => {
      const way = { uri, proxyTunnel: true, requestTls: trust, clientFactory: proxyClient };
      return new ProxyAgent({ ...pool, ...way, connectTimeout: CONNECT_TIMEOUT_MS });
    },
  });
  const transport = async (options: RequestOptions) => {
    const { asked: question, timeoutMs, reach, headers, json, signal } = options;
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const url = new URL(options.uri);
    const message: HttpMessage = { asked: question, address, url, headers, timeoutMs, reach, openSocket, ...body };
    const answer = await send(agents, message, signal);
    return { statusCode: answer.status, body: answer, request: { path: "" } };
  };
  const api = nodeVault({
    endpoint: address,
    // node-vault would print logins when DEBUG is set.
    debug: () => {},
    // It would check the shape of our own options, which the compiler did.
    tv4: Object.assign(() => true, { validate: () => true }),
    "request-promise": { defaults: () => transport },
  });
  // node-vault falls back on VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX; we set both in each request instead.
  Object.assign(api, { token: "", namespace: "", pathPrefix: "" });
  return { api, agents };
}

function endpointOf(target: VaultTarget, asked: Asked): string {
  const problem = addressProblem(target.address);
  if (problem !== undefined) throw new SyncError("SPEC_INVALID", `The Vault address of ${describe(asked)} ${problem}`);
  return normalAddress(target.address);
}

function trustOf(target: VaultTarget, asked: Asked): buildConnector.BuildOptions {
  return {
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    // Explicit, so that NODE_TLS_REJECT_UNAUTHORIZED has no effect.
    rejectUnauthorized: !target.skipTlsVerify,
    ...(target.tlsServerName && { servername: target.tlsServerName }),
    ...(target.caPem && !target.skipTlsVerify && { secureContext: trusting(target.caPem, asked) }),
  };
}

/** Trusts each certificate of the bundle, intermediates as well as roots. */
function trusting(caPem: string, asked: Asked): SecureContext {
  // A secure context accepts any text as a CA, and then silently trusts no server.
  const ca = pemCertificates(caPem).filter(isCertificate);
  if (ca.length > 0) return createSecureContext({ ca, allowPartialTrustChain: true });
  const message = `${describe(asked)} was not sent: the CA of its VaultConnection is not a PEM certificate`;
  throw new SyncError("VAULT_TLS_REFUSED", message);
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
