import { isLosslessNumber } from "lossless-json";
import { type ErrorCode, SyncError } from "../errors.ts";
import { isLosslessObject, type LosslessObject, parseLossless } from "../util/lossless.ts";
import type { VaultAnswer } from "./answer.ts";
import { type Asked, describe } from "./asked.ts";

type Hints = readonly (readonly [pattern: RegExp, hint: string])[];

/** Errors of a Vault that can't serve any request. */
const FAILURES: Hints = [
  [/sealed/i, "Vault is sealed"],
  [/not (yet )?initialized/i, "Vault is not initialised"],
  [/active (cluster )?node not found/i, "a standby finds no active node"],
];

/**
 * What Vault's errors mean, in our words. Its text is never repeated, because plugins quote their input in it; for the
 * same reason no code depends on it. First match wins.
 */
const HINTS: Hints = [
  [/namespace not found/i, "there is no such namespace"],
  [/DR secondary/i, "a secondary for disaster recovery serves no requests"],
  [/invalid token|bad token/i, "its token is no longer valid"],
  [/no handler for route/i, "nothing is mounted there"],
  [/unsupported path/i, "the mount has no such path"],
  [/unsupported operation/i, "the path does not take this method"],
  [/invalid path for a versioned/i, "the mount is kv-v2: set type to kv-v2"],
  [/invalid role name|unknown role|role .*(could not be found|not found|does not exist)/i, "there is no such role"],
  [/unable to find .*issuer|issuer .*not found/i, "there is no such issuer"],
  [/not allowed by this role/i, "the role does not allow a name in the request"],
  [/token had one use left/i, "the token is for a single use: remove token_num_uses from its VaultAuth's role"],
  [/could not load configuration|not configured/i, "the auth method is not configured"],
  [/service account name not authorized/i, "the role does not allow this service account"],
  [/namespace not authorized/i, "the role does not allow this service account's namespace"],
  [/audience/i, "the token's audience does not match the role"],
  [/claim/i, "the token's claims do not match the role"],
  [/expired/i, "the credential has expired"],
  [/signature|no known key/i, "the token's signature could not be verified"],
  [
    /invalid (role or )?secret.?id|secret.?id/i,
    "the role id or the secret id is not valid, or that was its last use: set secret_id_num_uses of the role to 0",
  ],
  [/role.?id/i, "the role id is not valid"],
  [/lookup failed|token.?review/i, "Vault could not review the token in its cluster"],
  [/permission denied/i, "permission denied"],
];

const LIMITED = "exceeds a rate limit of Vault: raise the quota, or choose a longer refreshAfter";

const KV_SETTINGS = "mount, path, type and version";

/** What to check of a request that Vault does not understand. */
const CHECKED: Readonly<Partial<Record<Asked["purpose"], string>>> = {
  issue: "mount, path, params and the settings of the role",
  push: "the path, and the settings of its mount",
};

interface Verdict {
  readonly code: ErrorCode;
  /** Continues the request's description: `GET kv/data/app of https://vault …`. */
  readonly says: string;
}

/** The error for an answer without success. */
export function answerError(asked: Asked, answer: VaultAnswer): SyncError {
  const body = bodyOf(answer);
  const { code, says } = verdict(asked, answer, body);
  const hint = hintOf(answer, body);
  const outage = code === "VAULT_UNAVAILABLE" || code === "VAULT_SEALED";
  const deleted = code === "VAULT_PATH_MISSING" && asked.purpose === "kv-v2" ? versionIn(body) : undefined;
  const message = `${describe(asked)} ${says} (${answer.status}${hint ? `: ${hint}` : ""})`;
  return new SyncError(code, message, {
    cause: { status: answer.status },
    outcome: isRefusedByVault(answer, body) ? "none" : "unknown",
    ...(outage && { circuit: asked.circuit }),
    ...(answer.retryAfterMs !== undefined && { retryAfterMs: answer.retryAfterMs }),
    ...(deleted !== undefined && { deletedVersion: deleted }),
  });
}

/** The version that an answer of kv-v2 without data names. */
function versionIn(body: LosslessObject | undefined): number | undefined {
  const metadata = isLosslessObject(body?.data) ? body.data.metadata : undefined;
  const version = isLosslessObject(metadata) && isLosslessNumber(metadata.version) ? metadata.version : undefined;
  const number = Number(version?.value);
  return Number.isSafeInteger(number) ? number : undefined;
}

/**
 * Vault has not done what it refuses. A 5xx leaves the outcome unknown, and so does a proxy's answer, since it may stand
 * in place of Vault's own.
 */
function isRefusedByVault({ status }: VaultAnswer, body: LosslessObject | undefined): boolean {
  const isVaults = Array.isArray(body?.errors) || Array.isArray(body?.warnings) || isLosslessObject(body?.data);
  return status >= 400 && status < 500 && status !== 408 && isVaults;
}

/**
 * The error for a request that is not sent, because Vault asked for a pause. The message is that of Vault's own
 * refusal, so that a status is not written again for it.
 */
export function limitedError(asked: Asked, retryAfterMs: number): SyncError {
  return answerError(asked, { status: 429, text: '{"errors":[]}', retryAfterMs });
}

/** The error for a request that has no place in the Vault's budget. */
export function overBudget(asked: Asked, vault: string, retryAfterMs: number): SyncError {
  const remedy = `raise requestsPerSecond of vault ${vault} in fleet.yaml, or choose a longer refreshAfter`;
  return new SyncError("VAULT_THROTTLED", `${describe(asked)} has to wait for other requests: ${remedy}`, {
    outcome: "none",
    retryAfterMs,
  });
}

/** The error for a seal status. */
export function sealedError(asked: Asked, isInitialized: boolean): SyncError {
  const state = isInitialized ? "sealed" : "not initialised";
  return new SyncError("VAULT_SEALED", `Vault at ${asked.address} is ${state}`, {
    circuit: asked.circuit,
  });
}

/** The error for a success without the expected content. */
export function invalidAnswer(asked: Asked, what: string): SyncError {
  return new SyncError("VAULT_ANSWER_INVALID", `The answer to ${describe(asked)} ${what}`, { outcome: "unknown" });
}

/** The JSON object of a successful answer. Throws VAULT_ANSWER_INVALID. */
export function objectOf(asked: Asked, answer: VaultAnswer): LosslessObject {
  const body = bodyOf(answer);
  if (body === undefined) throw invalidAnswer(asked, "is not a JSON object: does the address point at Vault?");
  return body;
}

/** Whether Vault itself refuses it, and no gateway in front of it. */
export function isVaultsRefusal(answer: VaultAnswer): boolean {
  return Array.isArray(bodyOf(answer)?.errors);
}

/** Whether Vault itself says that the token is invalid, and not denied by its policies. */
export function isInvalidToken(answer: VaultAnswer): boolean {
  return errorsOf(bodyOf(answer)).some((text) => /invalid token|bad token/i.test(text));
}

/** Whether Vault says nothing but that it is denied: OpenBao answers so for a token that is gone. */
export function isUnexplainedDenial(answer: VaultAnswer): boolean {
  const errors = errorsOf(bodyOf(answer));
  return errors.length > 0 && errors.every((text) => text.trim() === "permission denied");
}

function verdict(asked: Asked, answer: VaultAnswer, body: LosslessObject | undefined): Verdict {
  const { status } = answer;
  if (isDown(asked, answer, body)) return { code: "VAULT_SEALED", says: "found Vault not ready" };
  if (status === 502 || status === 503 || status === 504) {
    return { code: "VAULT_UNAVAILABLE", says: "failed: a proxy in front of Vault can't reach it" };
  }
  if (status === 429) return { code: "VAULT_THROTTLED", says: LIMITED };
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
      says: "is not allowed: the policies of its role in Vault must allow this path",
    };
  }
  if (status === 404) return { code: "VAULT_PATH_MISSING", says: missing(asked, body) };
  const check = CHECKED[asked.purpose] ?? KV_SETTINGS;
  return { code: "VAULT_ANSWER_INVALID", says: `was not understood by Vault: check ${check}` };
}

/**
 * Whether Vault seems sealed, not initialised or a secondary that can't answer; the caller confirms it by the seal
 * status.
 */
function isDown({ purpose }: Asked, { status }: VaultAnswer, body: LosslessObject | undefined): boolean {
  if (purpose === "probe" || purpose === "seal-status") return false;
  return status === 472 || status === 473 || status === 501 || (status === 503 && errorsOf(body).length > 0);
}

function missing(asked: Asked, body: LosslessObject): string {
  if (asked.purpose === "issue") return "found nothing: no such mount, path or role";
  if (asked.purpose === "push") return "found nothing: no such mount, or none of kv";
  if (asked.purpose === "lease" || asked.purpose === "token") return "found nothing: no such Vault namespace";
  if (asked.purpose === "kv-v2" && isLosslessObject(body.data) && "metadata" in body.data) {
    return "found a deleted version: its Secret stays unchanged until another version is written or undeleted";
  }
  if (asked.purpose === "kv-v2") return "found nothing: no such path or version, or the mount is not kv-v2";
  return "found nothing: no such path, or the mount is not kv-v1";
}

/** The JSON object of an answer of any status; undefined when there is none. */
export function bodyOf(answer: VaultAnswer): LosslessObject | undefined {
  try {
    const body = parseLossless(answer.text);
    return isLosslessObject(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

/** Vault's `errors`, and the `warnings` that it sends instead. */
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
