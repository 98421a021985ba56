import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { canonical } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";

/** How a cluster of a hub is reached, as its object says it. */
export interface HubAccess {
  readonly server: string;
  /** Members of a kubeconfig's cluster. */
  readonly cluster: Readonly<Record<string, string | boolean>>;
  readonly login: HubLogin;
}

export type HubLogin =
  /** Members of a kubeconfig's user, from the object itself: they are secret. */
  | { readonly kind: "user"; readonly user: Readonly<Record<string, string>> }
  /** keyferry's own AWS identity. */
  | EksLogin
  /** A Secret of the hub with a token, or with a kubeconfig that has the credentials. */
  | {
      readonly kind: "secret";
      readonly namespace: string;
      readonly name: string;
      readonly key: string;
      readonly holds: "token" | "kubeconfig";
      readonly context?: string;
    };

export interface EksLogin {
  readonly kind: "eks";
  readonly cluster: string;
  readonly region: string;
  readonly roleArn?: string;
}

/** Everything about the way to the cluster but credentials: it may be stored and compared. */
export function leadsTo({ server, cluster, login }: HubAccess): string {
  const shown = login.kind === "user" ? { kind: login.kind } : login;
  return fingerprint("hub", canonical({ server, cluster, login: shown } as Json));
}

/** The object is broken; `what` never quotes a value. */
export function invalid(object: string, what: string): SyncError {
  return new SyncError("REFERENCE_INVALID", `${object} ${what}`);
}

/** The object is sound, but keyferry can't log in like this. `instead` says what can be used. */
export function unsupported(object: string, what: string, instead: string): SyncError {
  return new SyncError("UNSUPPORTED", `${object} ${what}: ${instead}`);
}

const MAX_ADDRESS = 1_024;

/** An address without a final slash. Plain HTTP would send credentials in the clear. */
export function serverOf(text: string | undefined, object: string): string {
  const server = (text ?? "").trim().replace(/\/+$/, "");
  if (server === "") throw invalid(object, "names no server: add its address");
  const url = URL.canParse(server) && server.length <= MAX_ADDRESS ? new URL(server) : undefined;
  const isPlain = url?.protocol === "https:" && url.username === "" && url.password === "" && url.search === "";
  if (!isPlain || url.hash !== "") {
    throw invalid(object, "has a server that is no address: must be https://HOST, with nothing but a port and a path");
  }
  return server;
}

const PROXIES = new Set(["http:", "https:", "socks5:"]);

/** A proxy's address, checked as kubectl does. */
export function proxyOf(text: string | undefined, object: string): Readonly<Record<string, string>> {
  if (text === undefined || text === "") return {};
  const isProxy = URL.canParse(text) && text.length <= MAX_ADDRESS && PROXIES.has(new URL(text).protocol);
  if (!isProxy) throw invalid(object, "has a proxy that is no address: must begin with http://, https:// or socks5://");
  return { "proxy-url": text };
}

/** Checks what base64 of PEM holds, and returns it. */
export function pemOf(
  text: string | undefined,
  { object, field }: { readonly object: string; readonly field: string },
): string | undefined {
  if (text === undefined || text === "") return undefined;
  const pem = Buffer.from(text, "base64").toString("latin1");
  if (!pem.includes("-----BEGIN "))
    throw invalid(object, `has a ${field} that is no base64 of PEM: encode the PEM file`);
  return text;
}

/** How the API server's certificate is checked. */
export function tlsOf(
  tls: { readonly caData?: string | undefined; readonly serverName?: string | undefined; readonly insecure: boolean },
  object: string,
): Readonly<Record<string, string | boolean>> {
  const ca = pemOf(tls.caData, { object, field: "CA" });
  if (tls.insecure && ca !== undefined) {
    throw invalid(object, "has a CA and accepts any certificate: remove one of both");
  }
  return {
    ...(ca === undefined ? {} : { "certificate-authority-data": ca }),
    ...(tls.serverName === undefined || tls.serverName === "" ? {} : { "tls-server-name": tls.serverName }),
    ...(tls.insecure ? { "insecure-skip-tls-verify": true } : {}),
  };
}
