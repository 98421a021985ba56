import type { EpochMs } from "../clock.ts";
import type { Digest } from "../digest.ts";

/**
 * One request to a Vault for a credential, and its result (lease-table 26). Recorded before the request; removed only
 * after its token was revoked or has expired (lease-table 27, 28).
 */
export interface Issue {
  /** Random; the sealed token is bound to it. */
  readonly serial: string;
  /**
   * `asking`: the request may have been sent. `got`: answered, not applied. `live`: in use. `ending`: to be revoked at
   * `endAt`.
   */
  readonly state: "asking" | "got" | "live" | "ending";
  /** The token of the request, encrypted; bound to installation, key and serial. Never in the token store. */
  readonly sealedToken: string;
  /** The digest of its Vault's target (`TargetStore`). */
  readonly target: string;
  /** The latest start of the request. */
  readonly askBefore: EpochMs;
  readonly tokenSeconds: number;
  readonly tokenRenewable: boolean;
  readonly vaultLease?: {
    readonly id: string;
    readonly seconds: number;
    readonly renewable: boolean;
    readonly issuedAt: EpochMs;
  };
  /** Of the data in the answer. */
  readonly digest?: Digest;
  /**
   * `ending`: when to end it, or to look whether it may be ended. `asking`: when its request has surely ended, so that
   * its token may be revoked (lease-table 27).
   */
  readonly endAt?: EpochMs;
  /** `ending`: by then it has ended by itself, whoever can't be reached. Missing: never. */
  readonly goneBy?: EpochMs;
  /** `ending`: it is in use until the workloads run with its successor; looked at until then. */
  readonly inUseUntil?: EpochMs;
  /** `ending`: when its successor was written. */
  readonly replacedAt?: EpochMs;
  /** `ending`: failed attempts to end it. */
  readonly tries?: number;
  /** How it is ended; missing: its token is revoked. `none`: it ends by itself. */
  readonly endBy?: "lease" | "none";
  /** `live`: its renewals are not answered, and it ends then, or later: told on the resource. */
  readonly atRisk?: EpochMs;
  /** `live`: why a renewal failed, so that it is issued anew. */
  readonly lost?: LostBecause;
  /** `live`: Vault may have ended it: it is asked before anything else. */
  readonly inDoubt?: true;
  /** The share of its shortest TTL within which it is renewed, in seconds; missing: nothing of it is renewed. */
  readonly renewWithin?: number;
  /** A certificate without a lease: ended by its serial number. */
  readonly certificate?: { readonly serial: string; readonly mount: string };
  /** Other issues share the token: revoking it would end them as well. */
  readonly shared?: boolean;
}

/**
 * `truncated`: Vault renews it for less than asked, because a maximum is near. `gone`: it has ended, or nobody can renew
 * it.
 */
export type LostBecause = "truncated" | "gone" | "denied";

/** The maximum number of open issues of a row. Merged clean-ups may have more: none is ever dropped. */
export const MAX_ISSUES = 4;
