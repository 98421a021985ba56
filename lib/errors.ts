/**
 * What happens next after a failure.
 * - `retry`: soon again by itself: back-off with full jitter, or when the server said.
 * - `recheck`: someone outside must act; looked at again, slowly.
 * - `park`: only a new declaration (or a changed reference) helps.
 * - `drop`: no longer ours to do.
 */
export type Disposition = "retry" | "recheck" | "park" | "drop";

/** The closed list of errors, which also answers "when do we retry?". */
export const DISPOSITIONS = {
  VAULT_UNAVAILABLE: "retry",
  VAULT_SEALED: "retry",
  VAULT_THROTTLED: "retry",
  VAULT_FAILED: "retry",
  VAULT_NO_ANSWER: "retry",
  REPLICA_BEHIND: "retry",
  CLOUD_UNAVAILABLE: "retry",
  KUBE_UNREACHABLE: "retry",
  KUBE_THROTTLED: "retry",
  KUBE_FAILED: "retry",
  KUBE_NO_ANSWER: "retry",
  KUBE_CONFLICT: "retry",
  ADMISSION_FAILED: "retry",
  SECRET_TYPE_DIFFERS: "retry",
  STORE_UNAVAILABLE: "retry",
  EVENTS_NOT_ACCEPTED: "retry",
  DEADLINE_EXCEEDED: "retry",

  VAULT_DENIED: "recheck",
  VAULT_LOGIN_REFUSED: "recheck",
  VAULT_PATH_MISSING: "recheck",
  VAULT_ANSWER_INVALID: "recheck",
  VAULT_TLS_REFUSED: "recheck",
  VAULT_ADDRESS_NOT_ALLOWED: "recheck",
  VAULT_TOKEN_UNUSABLE: "recheck",
  VAULT_LEASE_UNUSABLE: "recheck",
  VAULT_CERTIFICATE_UNUSABLE: "recheck",
  ISSUES_UNENDED: "recheck",
  KUBE_DENIED: "recheck",
  KUBE_LOGIN_REFUSED: "recheck",
  KUBE_TLS_REFUSED: "recheck",
  KUBE_REJECTED: "recheck",
  KUBE_ANSWER_INVALID: "recheck",
  ADMISSION_DENIED: "recheck",
  KUBE_ANSWER_TOO_LARGE: "recheck",
  CLUSTER_TOO_LARGE: "recheck",
  CLUSTER_REPLACED: "recheck",
  CLUSTER_DUPLICATE: "recheck",
  QUOTA_EXCEEDED: "recheck",
  SECRET_NOT_OURS: "recheck",
  SECRET_MISSING: "recheck",
  SECRET_IMMUTABLE: "recheck",
  // The cause may be Vault's data: parked, the sync would not notice when someone corrects it there.
  SECRET_REFUSED: "recheck",
  SECRET_TOO_LARGE: "recheck",
  TRANSFORM_FAILED: "recheck",
  SECRET_TERMINATING: "recheck",
  NAMESPACE_MISSING: "recheck",
  DESTINATION_UNSETTLED: "recheck",
  SOURCE_MISSING: "recheck",
  SECRET_IS_SYNCED: "recheck",
  PUSH_NOT_ALLOWED: "recheck",
  PUSH_CONFLICT: "recheck",
  PATH_TAKEN: "recheck",
  REFERENCE_MISSING: "recheck",
  REFERENCE_INVALID: "recheck",
  REFERENCE_NOT_ALLOWED: "recheck",
  TARGET_MISSING: "recheck",
  TARGET_PAUSED: "recheck",
  OTHER_CONTROLLER: "recheck",
  STORE_DENIED: "recheck",
  STORE_MISSING: "recheck",
  STORE_INVALID: "recheck",

  SPEC_INVALID: "park",
  REQUEST_MALFORMED: "park",
  UNSUPPORTED: "park",
  // A loop of issues would fill Vault: only a person can know why each of them was lost.
  ISSUES_TOO_FREQUENT: "park",
  // Each write is a version that Vault keeps: only a person can know why they did not end.
  NOT_CONVERGING: "park",
  PUSHED_BY_OPERATOR: "park",

  LEASE_LOST: "drop",
  DECLARATION_GONE: "drop",
  NAMESPACE_TERMINATING: "drop",
} as const satisfies Record<string, Disposition>;

/** Rows, statuses, metrics and domain events hold these names. */
export type ErrorCode = keyof typeof DISPOSITIONS;

/** Codes for a whole Vault or cluster that is out of reach, not for one path of it (lease-table 16). */
export const OUTAGE_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "VAULT_UNAVAILABLE",
  "VAULT_SEALED",
  "KUBE_UNREACHABLE",
]);

/**
 * What a failed request did: certainly nothing, or unknown, because Vault may have executed it and its answer is lost.
 * Only this decides whether an unrepeatable request may be sent again.
 */
export type RequestOutcome = "none" | "unknown";

/** A namespace that it does not allow, or an audience that the fleet requires. */
export type Lacking = { readonly namespace: string } | "audience";

/** What the schedule and retries need to know of a failure besides its code. */
export interface SyncErrorOptions {
  /** The outcome of the failed request; missing when none was sent, or when it may be repeated anyway. */
  readonly outcome?: RequestOutcome;
  /** The id of the circuit of the end that is out of reach: set with the codes in OUTAGE_CODES. */
  readonly circuit?: string;
  /** The server asked for this pause, in ms. */
  readonly retryAfterMs?: number;
  /** Of a path in kv-v2 without data: the version that was deleted or destroyed; missing where there is none at all. */
  readonly deletedVersion?: number;
  /** What a VaultAuth, or its VaultAuthGlobal, must have before it can be used; missing: something else is wrong. */
  readonly lacks?: Lacking;
  /** For debugging only; never printed, because servers' messages can hold data (kubernetes-rules 14). */
  readonly cause?: unknown;
}

/**
 * A failure with a code. Adapters throw it, and only settle turns it into a time. Its message names the thing, the
 * place and the remedy, and never a value. Any other thrown error is a bug and fails the message.
 */
export class SyncError extends Error {
  readonly code: ErrorCode;
  readonly circuit: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly outcome: RequestOutcome | undefined;
  readonly deletedVersion: number | undefined;
  readonly lacks: Lacking | undefined;

  constructor(code: ErrorCode, message: string, options: SyncErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "SyncError";
    this.code = code;
    this.circuit = options.circuit;
    this.retryAfterMs = options.retryAfterMs;
    this.outcome = options.outcome;
    this.deletedVersion = options.deletedVersion;
    this.lacks = options.lacks;
  }

  get disposition(): Disposition {
    return DISPOSITIONS[this.code];
  }
}

/**
 * The store refuses a write because of its size, whenever it is tried: nothing was written, and only the one row is
 * concerned.
 */
export class RowTooLarge extends SyncError {
  constructor(message: string, options: SyncErrorOptions = {}) {
    super("STORE_INVALID", message, options);
    this.name = "RowTooLarge";
  }
}

/** The write, or what is done instead where the store can't hold the row. */
export async function unlessTooLarge<T>(
  write: Promise<T>,
  instead: (error: RowTooLarge) => T | Promise<T>,
): Promise<T> {
  try {
    return await write;
  } catch (error) {
    if (error instanceof RowTooLarge) return instead(error);
    throw error;
  }
}

/** Invalid input: all complaints, each with its place. The command exits with 2. */
export class InputError extends Error {
  readonly complaints: readonly string[];

  constructor(subject: string, complaints: readonly string[]) {
    super([`${subject} is not valid:`, ...complaints.map((complaint) => `  ${complaint}`)].join("\n"));
    this.name = "InputError";
    this.complaints = complaints;
  }
}
