import type { EpochMs } from "../../clock.ts";
import type { ErrorCode } from "../../errors.ts";
import type { RowState } from "../../ports/rows.ts";
import { asObject } from "../../util/canonical.ts";
import type { Json, JsonObject } from "../../util/json.ts";

/** An issuing kind's part of a row's state (`RowState.own`). */
export interface IssuedState {
  /**
   * Of everything whose change issues anew: the request, the login, the destination, the transformation. Without
   * `issuedAt`: of an answer that was ended before it was written.
   */
  readonly request?: string;
  /** The request whose answer was not written; `keys` are that one's. */
  readonly tried?: string;
  /** The value of the refresh annotation that it answers. */
  readonly refresh?: string;
  /** Names of the Secret's keys that came from Vault. */
  readonly keys: readonly string[];
  /** When Vault was asked, and answered, in the last ten minutes. */
  readonly asks: readonly EpochMs[];
  /**
   * When Vault was asked since its last answer, and may have issued what nobody got, or had no time to render: the last
   * ones of an hour.
   */
  readonly unanswered?: readonly EpochMs[];
  /** When the present data was asked for. */
  readonly issuedAt?: EpochMs;
  /** When to ask anew. */
  readonly replaceAt?: EpochMs;
  /** It was taken over from Vault Secrets Operator, and is replaced at `replaceAt` for this reason. */
  readonly planned?: string;
  /** Vault keeps no lease for what it issued, so that the shared token serves. */
  readonly isLeaseless?: boolean;
  /** Vault Secrets Operator asked for it: whether Vault keeps a lease for the next one is not known. */
  readonly isTaken?: boolean;
  /** Vault refused to renew its predecessor: this login may not. */
  readonly isDenied?: boolean;
  /** Where its templates wrote missing fields. */
  readonly missing?: readonly string[];
  /** How the last answers failed before they were written. */
  readonly untransformed?: Untransformed;
  /** An event may concern it, and Vault has not told yet. */
  readonly inDoubt?: boolean;
  /** What only the kind knows of it: a serial number, a rotation. */
  readonly made?: JsonObject;
}

/** The last answers in a row, none of which became a Secret's data. */
export interface Untransformed {
  /** Fingerprint of what was declared: another declaration is tried at once. */
  readonly of: string;
  readonly times: number;
  /** When the last one failed. */
  readonly last: EpochMs;
  /** The last failure. */
  readonly code: ErrorCode;
  readonly message: string;
}

/** How answers fail that would fail again and again, until somebody changes the declaration, or the role in Vault. */
export const VAIN_FAILURES: ReadonlySet<unknown> = new Set<ErrorCode>([
  "TRANSFORM_FAILED",
  "SECRET_REFUSED",
  "SECRET_TOO_LARGE",
  "VAULT_LEASE_UNUSABLE",
  "VAULT_CERTIFICATE_UNUSABLE",
]);

function timeOf(value: unknown): EpochMs | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) ? value : undefined;
}

function timesOf(value: Json | undefined): readonly EpochMs[] | undefined {
  return Array.isArray(value) ? value.map(timeOf).filter((at) => at !== undefined) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function untransformedOf(value: Json | undefined): Untransformed | undefined {
  const { of, times, last, code, message } = asObject(value) ?? {};
  const isNumbered = typeof times === "number" && typeof last === "number";
  if (!isNumbered || typeof of !== "string" || typeof message !== "string" || !VAIN_FAILURES.has(code))
    return undefined;
  return { of, times, last, code: code as ErrorCode, message };
}

/** Parses it; what is unreadable counts as missing, so that Vault is asked anew. */
export function issuedState({ own }: Pick<RowState, "own">): IssuedState {
  const {
    request,
    tried,
    refresh,
    keys,
    asks,
    unanswered,
    issuedAt,
    replaceAt,
    isLeaseless,
    isTaken,
    isDenied,
    missing,
    made,
    planned,
    inDoubt,
    untransformed,
  } = asObject(own) ?? {};
  return withoutUndefined({
    request: textOf(request),
    tried: textOf(tried),
    refresh: textOf(refresh),
    keys: Array.isArray(keys) ? keys.filter((key) => typeof key === "string") : [],
    asks: timesOf(asks) ?? [],
    unanswered: timesOf(unanswered),
    issuedAt: timeOf(issuedAt),
    replaceAt: timeOf(replaceAt),
    planned: textOf(planned),
    isLeaseless: isLeaseless === true ? true : undefined,
    isTaken: isTaken === true ? true : undefined,
    isDenied: isDenied === true ? true : undefined,
    inDoubt: inDoubt === true ? true : undefined,
    missing: Array.isArray(missing) ? missing.filter((place) => typeof place === "string") : undefined,
    made: asObject(made),
    untransformed: untransformedOf(untransformed),
  }) as unknown as IssuedState;
}

/** After an answer was ended that was never written: of the data in use nothing is known, so that Vault is asked anew. */
export function ofNone({ request, keys, asks, isLeaseless, isTaken, isDenied }: IssuedState): IssuedState {
  return withoutUndefined({ request, keys, asks, isLeaseless, isTaken, isDenied }) as unknown as IssuedState;
}

/** As JSON for the row. */
export function ownIssued(state: IssuedState): Json {
  return withoutUndefined({ ...state }) as Json;
}

function withoutUndefined(value: Readonly<Record<string, unknown>>): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as JsonObject;
}
