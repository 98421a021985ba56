import { X509Certificate } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import nodeVault from "node-vault";
import { Agent, buildConnector } from "undici";
import { SyncError } from "../errors.ts";
import type { VaultTarget } from "../reconcile/ports.ts";
import { addressProblem, normalAddress } from "../vault-address.ts";
import { type Asked, describe } from "./asked.ts";
import { type HttpMessage, send } from "./transport.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** Below the idle time-outs of usual load balancers (50 to 60 s) and of Vault (5 min). */
const KEEP_ALIVE_MS = 20_000;

/** What our transport needs, beside what node-vault sets itself. */
interface RequestOptions {
  readonly uri: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly asked: Asked;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Kept-alive connections to one Vault with one way to trust it. */
export interface Connection {
  readonly api: nodeVault.client;
  readonly agent: Agent;
}

/** Two targets that may share connections have the same one. */
export function connectionKey(target: VaultTarget): string {
  return JSON.stringify([target.address, target.tlsServerName, target.skipTlsVerify, target.caPem]);
}

/** node-vault with our transport: its own one (axios) follows proxies of the environment, parses numbers and can't be aborted. */
export function connect(target: VaultTarget, asked: Asked, connections: number): Connection {
  const agent = new Agent({
    connections,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Our own time-out, and our own longest answer, cover the whole exchange.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: connector(target, asked),
  });
  const transport = async (options: RequestOptions) => {
    const { asked: question, timeoutMs, headers, json, signal } = options;
    const body = json === undefined ? {} : { body: JSON.stringify(json) };
    const message: HttpMessage = { asked: question, url: new URL(options.uri), headers, timeoutMs, ...body };
    const answer = await send(agent, message, signal);
    return { statusCode: answer.status, body: answer, request: { path: "" } };
  };
  const api = nodeVault({
    endpoint: endpointOf(target, asked),
    // It would print logins when DEBUG is set.
    debug: () => {},
    "request-promise": { defaults: () => transport },
  });
  // node-vault falls back on VAULT_TOKEN, VAULT_NAMESPACE and VAULT_PREFIX; both go into each request instead.
  Object.assign(api, { token: "", namespace: "", pathPrefix: "" });
  return { api, agent };
}

function endpointOf(target: VaultTarget, asked: Asked): string {
  const problem = addressProblem(target.address);
  if (problem !== undefined) throw new SyncError("SPEC_INVALID", `The Vault address of ${describe(asked)} ${problem}`);
  return normalAddress(target.address);
}

function connector(target: VaultTarget, asked: Asked): buildConnector.connector {
  return buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED has no say.
    rejectUnauthorized: !target.skipTlsVerify,
    ...(target.tlsServerName && { servername: target.tlsServerName }),
    ...(target.caPem && !target.skipTlsVerify && { secureContext: trusting(target.caPem, asked) }),
  });
}

function trusting(caPem: string, asked: Asked): SecureContext {
  try {
    // A secure context takes anything as a CA, and then trusts nobody without saying why.
    new X509Certificate(caPem);
    return createSecureContext({ ca: caPem });
  } catch {
    const message = `${describe(asked)} can't be asked: the CA of its VaultConnection is no PEM certificate`;
    throw new SyncError("VAULT_TLS_REFUSED", message);
  }
}
