import { SECOND_MS } from "../clock.ts";
import { type RequestOutcome, SyncError } from "../errors.ts";
import { BodyTooLarge, sizeText } from "../util/bounded-body.ts";
import { codeOf } from "../util/error-code.ts";
import { type Asked, describe, printableAddress } from "./asked.ts";
import { ProxyTlsError } from "./proxy-client.ts";

const TLS_CODE =
  /^(ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO)/;
const NO_HTTP_CODE =
  /^(HPE_|UND_ERR_(HEADERS_OVERFLOW|RES_CONTENT_LENGTH_MISMATCH|INFO)|ERR_ENCODING_INVALID_ENCODED_DATA)/;
const REACH_CODE =
  /^(ECONN|EHOST|ENET|ENOTFOUND|EAI_|ETIMEDOUT|EPIPE|EADDRNOTAVAIL|UND_ERR_(CONNECT_TIMEOUT|HEADERS_TIMEOUT|BODY_TIMEOUT|SOCKET))/;

/** Error codes of a connection that failed to open: nothing was sent. */
const NOT_SENT_CODE = /^(ECONNREFUSED|EHOST|ENET|ENOTFOUND|EAI_|EADDRNOTAVAIL|UND_ERR_CONNECT_TIMEOUT)/;

function outcomeOf(code: string): RequestOutcome {
  return NOT_SENT_CODE.test(code) ? "none" : "unknown";
}

/** Error codes of a cut connection; a server also closes idle kept-alive ones. */
const CUT_CODES = new Set(["ECONNRESET", "EPIPE", "UND_ERR_SOCKET"]);

export function isCut(error: unknown): boolean {
  return CUT_CODES.has(codeOf(error) ?? "");
}

/**
 * Converts a failure below HTTP to a SyncError, and returns any other error, a bug, as it is. Keeps only the code as
 * the cause, because requests hold tokens.
 */
export function networkError(error: unknown, asked: Asked): unknown {
  if (error instanceof BodyTooLarge) {
    const message = `The answer to ${describe(asked)} is larger than ${sizeText(error.limit)}`;
    return new SyncError("VAULT_ANSWER_INVALID", message, { outcome: "unknown" });
  }
  const code = codeOf(error);
  if (error instanceof SyncError || code === undefined) return error;
  const cause = { code };
  if (TLS_CODE.test(code))
    return new SyncError("VAULT_TLS_REFUSED", tlsMessage(code, asked), { cause, outcome: "none" });
  if (NO_HTTP_CODE.test(code)) {
    const message = `The answer to ${describe(asked)} is not valid HTTP (${code}): does the address point at Vault?`;
    return new SyncError("VAULT_ANSWER_INVALID", message, { cause, outcome: "unknown" });
  }
  if (code === "UND_ERR_INVALID_ARG" || code === "ERR_INVALID_CHAR") {
    const message = `${describe(asked)} can't be sent: a header of its VaultConnection or VaultAuth is not valid`;
    return new SyncError("SPEC_INVALID", message, { cause, outcome: "none" });
  }
  if (code === "UND_ERR_CLOSED" || code === "UND_ERR_DESTROYED") {
    return new SyncError("DEADLINE_EXCEEDED", `${describe(asked)} was cancelled: keyferry is stopping`, {
      cause,
      outcome: "unknown",
    });
  }
  return REACH_CODE.test(code) ? unavailable(asked, code, cause, outcomeOf(code)) : error;
}

/** This Vault is unreachable for all requests. */
function unavailable(asked: Asked, why: string, cause: object, outcome: RequestOutcome): SyncError {
  return new SyncError("VAULT_UNAVAILABLE", `${describe(asked)} failed: Vault is out of reach (${why})`, {
    circuit: asked.circuit,
    outcome,
    cause,
  });
}

/** What a proxy answered in place of a tunnel: undici says it in its message only. */
const NO_TUNNEL = /^Proxy response \((\d{3})\) !== 200/;

/** Codes of undici for a proxy that closes the connection, and for one with another name in its certificate. */
const NO_PROXY_CODES = new Set(["UND_ERR_PRX_CONN", "UND_ERR_PRX_TLS"]);

/**
 * The error for a failure on the way through a proxy. One without a tunnel has not sent anything to Vault. All requests
 * to that Vault take the same way, so this is an outage of it.
 */
export function proxyFailure(error: unknown, asked: Asked, proxy: string): unknown {
  const through = `its proxy ${printableAddress(proxy)}`;
  const status = error instanceof Error ? NO_TUNNEL.exec(error.message)?.[1] : undefined;
  if (status !== undefined) {
    const remedy = status === "407" ? "check the user and the password in vaults[].proxy" : "check what it allows";
    return unavailable(
      asked,
      `${through} answered CONNECT with ${status}: ${remedy}`,
      { code: `PROXY_${status}` },
      "none",
    );
  }
  const code = codeOf(error) ?? "";
  if (error instanceof ProxyTlsError) {
    const remedy = "check its certificate; NODE_EXTRA_CA_CERTS names further CAs";
    return unavailable(asked, `TLS with ${through} was refused (${code}): ${remedy}`, { code }, "none");
  }
  if (NO_PROXY_CODES.has(code) || NOT_SENT_CODE.test(code)) {
    return unavailable(asked, `${through} is out of reach: ${code}`, { code }, "none");
  }
  return error;
}

/** With a shorter time-out even a healthy Vault may fail. */
export const SHORTEST_TIMEOUT_MS = SECOND_MS;

/** Blames Vault, or a time-out that is too short to blame Vault. */
export function timedOut(asked: Asked, timeoutMs: number): SyncError {
  const cause = { code: "TIMEOUT" };
  const why = `no answer within ${timeoutMs} ms`;
  if (timeoutMs >= SHORTEST_TIMEOUT_MS) return unavailable(asked, why, cause, "unknown");
  const remedy = "the timeout of its VaultConnection is too short for any Vault: set 1s or more";
  return new SyncError("VAULT_NO_ANSWER", `${describe(asked)} failed (${why}): ${remedy}`, {
    cause,
    outcome: "unknown",
  });
}

function tlsMessage(code: string, asked: Asked): string {
  const remedy =
    code === "ERR_TLS_CERT_ALTNAME_INVALID"
      ? "the certificate is for another name: set tlsServerName"
      : code === "CERT_HAS_EXPIRED"
        ? "the certificate has expired"
        : "check its certificate, its CA (caCertSecretRef, or caFile in fleet.yaml), and that the address is https";
  return `${describe(asked)} failed: TLS was refused (${code}): ${remedy}`;
}
