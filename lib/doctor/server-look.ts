import type { X509Certificate } from "node:crypto";
import { connect as connectTcp, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type TLSSocket } from "node:tls";
import type { EpochMs } from "../clock.ts";
import { codeOf } from "../util/error-code.ts";

/** A server, and what its clients trust. */
export interface LookedAt {
  readonly url: URL;
  /** PEM; missing: what Node trusts. */
  readonly ca?: string | undefined;
  readonly serverName?: string | undefined;
  /** Resolves the name, and refuses addresses that may not be reached. */
  readonly lookup?: LookupFunction | undefined;
}

export interface SeenCertificate {
  readonly subject: string;
  readonly names: readonly string[];
  readonly endsAt: EpochMs;
}

/** How far a connection came. A certificate is shown also if it is not trusted. */
export interface ServerLook {
  readonly failure?: { readonly stage: "name" | "connection" | "tls"; readonly code: string };
  readonly certificates: readonly SeenCertificate[];
}

/** Opens a connection, sends nothing over it, and closes it. */
export async function lookAtServer(server: LookedAt, signal: AbortSignal): Promise<ServerLook> {
  const isTls = server.url.protocol === "https:";
  const socket = isTls ? openTls(server) : openTcp(server);
  try {
    await opened(socket, isTls ? "secureConnect" : "connect", signal);
    if (!isTls) return { certificates: [] };
    return lookOf(socket as TLSSocket);
  } catch (error) {
    return { failure: failureOf(error, signal), certificates: [] };
  } finally {
    socket.destroy();
  }
}

function endpointOf({ url, lookup }: LookedAt) {
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const port = Number(url.port) || (url.protocol === "https:" ? 443 : 80);
  return { host, port, ...(lookup && { lookup }) };
}

function openTcp(server: LookedAt): Socket {
  return connectTcp(endpointOf(server));
}

/** Accepts any certificate, to show it. So nothing may be sent. */
function openTls(server: LookedAt): TLSSocket {
  const endpoint = endpointOf(server);
  const servername = server.serverName ?? (isIP(endpoint.host) === 0 ? endpoint.host : "");
  const trust = server.ca === undefined ? {} : { ca: server.ca };
  return connectTls({
    ...endpoint,
    servername,
    secureContext: createSecureContext({ ...trust, allowPartialTrustChain: true }),
    // The name that is compared with the certificate, also where it is an IP address and so not sent.
    ...(servername === "" && { host: endpoint.host }),
    rejectUnauthorized: false,
  });
}

function opened(socket: Socket, event: "connect" | "secureConnect", signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(Object.assign(new Error("timed out"), { code: "ETIMEDOUT" }));
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    socket.once(event, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    socket.on("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    });
    socket.once("close", () => reject(Object.assign(new Error("closed"), { code: "ECONNRESET" })));
  });
}

const NAME_CODE = /^(ENOTFOUND|EAI_)/;
const REACH_CODE = /^(ECONN|EHOST|ENET|ETIMEDOUT|EADDRNOTAVAIL|EPIPE)/;

function failureOf(error: unknown, signal: AbortSignal): NonNullable<ServerLook["failure"]> {
  const code = codeOf(error) ?? (signal.aborted ? "ETIMEDOUT" : "unknown");
  return { stage: NAME_CODE.test(code) ? "name" : REACH_CODE.test(code) ? "connection" : "tls", code };
}

/** No server sends more certificates than this. */
const MAX_CHAIN = 8;

function lookOf(socket: TLSSocket): ServerLook {
  const certificates: SeenCertificate[] = [];
  let next: X509Certificate | undefined = socket.getPeerX509Certificate();
  while (next !== undefined && certificates.length < MAX_CHAIN) {
    certificates.push(seen(next));
    const issuer: X509Certificate | undefined = next.issuerCertificate;
    next = issuer?.fingerprint256 === next.fingerprint256 ? undefined : issuer;
  }
  // Node's types say that it is an error; it is the code.
  const refusal = socket.authorizationError as Error | string | undefined;
  if (!refusal) return { certificates };
  const code = typeof refusal === "string" ? refusal : (codeOf(refusal) ?? refusal.message);
  return { certificates, failure: { stage: "tls", code } };
}

function seen(certificate: X509Certificate): SeenCertificate {
  return {
    subject: certificate.subject.replaceAll("\n", ", "),
    names: namesIn(certificate.subjectAltName),
    endsAt: Date.parse(certificate.validTo),
  };
}

/** `DNS:vault.example.com, IP Address:10.0.0.1`. */
function namesIn(text = ""): readonly string[] {
  return [...text.matchAll(/(?:DNS|IP Address):([^,"\s]+)/g)].map(([, name = ""]) => name);
}
