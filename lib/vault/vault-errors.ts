import { type ErrorCode, SyncError } from "../errors.ts";
import { isLosslessObject, type LosslessObject, parseLossless } from "../util/lossless.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";

type Hints = readonly (readonly [pattern: RegExp, hint: string])[];

/** What a Vault says that can't serve anybody. */
const FAILURES: Hints = [
  [/sealed/i, "Vault is sealed"],
  [/not (yet )?initialized/i, "Vault is not initialised"],
  [/active (cluster )?node not found/i, "a standby finds no active node"],
];

/**
 * What Vault's own errors mean, in our words: its text is never repeated, since plugins put what they were given into it. For
 * the same reason no code depends on it. First match wins.
 */
const HINTS: Hints = [
  [/namespace not found/i, "there is no such namespace"],
  [/invalid token|bad token/i, "its token is no longer valid"],
  [/no handler for route/i, "nothing is mounted there"],
  [/unsupported path/i, "what is mounted there has no such path"],
  [/invalid path for a versioned/i, "the mount is kv-v2: set type to kv-v2"],
  [/invalid role name|role .*(could not be found|not found|does not exist)/i, "there is no such role"],
  [/could not load configuration|not configured/i, "the auth method is not configured"],
  [/service account name not authorized/i, "the role does not allow this service account"],
  [/namespace not authorized/i, "the role does not allow this service account's namespace"],
  [/audience/i, "the token's audience is not the role's"],
  [/claim/i, "the token's claims are not what the role is bound to"],
  [/expired/i, "the credential has expired"],
  [/signature|no known key/i, "the token's signature could not be verified"],
  [/invalid (role or )?secret.?id|secret.?id/i, "the role id or the secret id is not valid"],
  [/role.?id/i, "the role id is not valid"],
  [/lookup failed|token.?review/i, "Vault could not have the token reviewed by its cluster"],
  [/permission denied/i, "permission denied"],
];

interface Verdict {
  readonly code: ErrorCode;
  /** Follows the question: `GET kv/data/app of https://vault …`. */
  readonly says: string;
}

/** What an answer that is no success means, as the one table of it. */
export function answerError(asked: Asked, answer: VaultAnswer): SyncError {
  const body = bodyOf(answer);
  const { code, says } = verdict(asked, answer, body);
  const hint = hintOf(answer, body);
  const outage = code === "VAULT_UNAVAILABLE" || code === "VAULT_SEALED";
  const message = `${describe(asked)} ${says} (${answer.status}${hint ? `: ${hint}` : ""})`;
  return new SyncError(code, message, {
    cause: { status: answer.status },
    // What Vault refuses it has not done; what fails inside it, or before it, may have been done.
    outcome: answer.status >= 400 && answer.status < 500 ? "none" : "unknown",
    ...(outage && { circuit: asked.circuit }),
    ...(answer.retryAfterMs !== undefined && { retryAfterMs: answer.retryAfterMs }),
  });
}

/** What a seal status said. */
export function sealedError(asked: Asked, isInitialized: boolean): SyncError {
  const state = isInitialized ? "sealed" : "not initialised";
  return new SyncError("VAULT_SEALED", `Vault at ${asked.address} is ${state}`, {
    circuit: asked.circuit,
  });
}

/** Success, but not of the shape that Vault answers with. */
export function invalidAnswer(asked: Asked, what: string): SyncError {
  return new SyncError("VAULT_ANSWER_INVALID", `The answer to ${describe(asked)} ${what}`, { outcome: "unknown" });
}

/** The JSON object of a successful answer. Throws VAULT_ANSWER_INVALID. */
export function objectOf(asked: Asked, answer: VaultAnswer): LosslessObject {
  const body = bodyOf(answer);
  if (body === undefined) throw invalidAnswer(asked, "is not a JSON object: does the address point at Vault?");
  return body;
}

/** Whether Vault itself said so, and says that the token is at fault and not its policies. */
export function isInvalidToken(answer: VaultAnswer): boolean {
  return errorsOf(bodyOf(answer)).some((text) => /invalid token|bad token/i.test(text));
}

function verdict(asked: Asked, answer: VaultAnswer, body: LosslessObject | undefined): Verdict {
  const { status } = answer;
  if (isDown(asked, answer, body)) return { code: "VAULT_SEALED", says: "found Vault not ready" };
  if (status === 502 || status === 503 || status === 504) {
    return { code: "VAULT_UNAVAILABLE", says: "failed: something before Vault can't reach it" };
  }
  if (status === 429) return { code: "VAULT_THROTTLED", says: "was over a rate limit of Vault" };
  if (status === 412) return { code: "VAULT_FAILED", says: "reached a node that is not up to date yet" };
  if (status >= 500) return { code: "VAULT_FAILED", says: "failed inside Vault" };
  if (body === undefined) {
    return { code: "VAULT_ANSWER_INVALID", says: "was not answered by Vault: check the address and its scheme" };
  }
  if (asked.purpose === "login")
    return { code: "VAULT_LOGIN_REFUSED", says: "was refused: check role, mount and credential" };
  if (status === 401 || status === 403) {
    return {
      code: "VAULT_DENIED",
      says: "is not allowed: the policies of its VaultAuth's role must let it read there",
    };
  }
  if (status === 404) return { code: "VAULT_PATH_MISSING", says: missing(asked, body) };
  return { code: "VAULT_ANSWER_INVALID", says: "was not understood by Vault: check mount, path, type and version" };
}

/** How Vault says that it is sealed, not initialised or a secondary without a part in this: its seal status has the last word. */
function isDown({ purpose }: Asked, { status }: VaultAnswer, body: LosslessObject | undefined): boolean {
  if (purpose === "probe" || purpose === "seal-status") return false;
  return status === 472 || status === 473 || status === 501 || (status === 503 && errorsOf(body).length > 0);
}

function missing(asked: Asked, body: LosslessObject): string {
  if (asked.purpose === "kv-v2" && isLosslessObject(body.data) && "metadata" in body.data) {
    return "found a version that was deleted: its Secret is kept as it is until another version is written or undeleted";
  }
  if (asked.purpose === "kv-v2") return "found nothing: no such path or version, or the mount is not kv-v2";
  return "found nothing: no such path, or the mount is not kv-v1";
}

/** The JSON object of an answer of any status; undefined when it is none. */
export function bodyOf(answer: VaultAnswer): LosslessObject | undefined {
  try {
    const body = parseLossless(answer.text);
    return isLosslessObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Vault's `errors`, and the `warnings` that it gives in place of them. */
function errorsOf(body: LosslessObject | undefined): string[] {
  return [body?.errors, body?.warnings].flatMap((list) =>
    Array.isArray(list) ? list.filter((text) => typeof text === "string") : [],
  );
}

function hintOf({ status }: VaultAnswer, body: LosslessObject | undefined): string | undefined {
  const errors = errorsOf(body);
  return [...(status >= 500 ? FAILURES : []), ...HINTS].find(([pattern]) =>
    errors.some((text) => pattern.test(text)),
  )?.[1];
}
