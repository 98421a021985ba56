import type { EpochMs } from "../clock.ts";
import type { SyncKey } from "../keys.ts";
import type { SecretValue } from "../secret-value.ts";
import type { JsonObject } from "../util/json.ts";
import type { SourceData, VaultIdentity, VaultTarget } from "./vault.ts";

/**
 * Requests that make a Vault issue something, and those that keep or end it. None is repeated by itself. A failure's
 * `outcome` says whether Vault may have carried it out.
 */

/** The longest that a request for a credential may take, in ms: it bounds how long an unanswered one may still run. */
export const ISSUE_TIMEOUT_MS = 30_000;

/** Where the token and the lease of an issue are, for requests after its declaration is gone. Stored as a target. */
export interface IssueTarget {
  readonly target: VaultTarget;
  /** Vault namespace of the token; missing: root. */
  readonly loginNamespace?: string;
  /** Vault namespace of the lease; missing: root. */
  readonly namespace?: string;
  /** For issues without a token of their own: the login that ends them. */
  readonly identity?: VaultIdentity;
}

/** Whether a lease is in another Vault namespace than its token: then it does not end with the token (seen on OpenBao). */
export function isApart({ loginNamespace = "", namespace = "" }: IssueTarget): boolean {
  return loginNamespace !== namespace;
}

/** The token of one issue: from a login of its own, never shared, and stored only in the issue's row, sealed. */
export interface OwnToken {
  readonly value: SecretValue;
  /** In seconds; 0: it never ends. */
  readonly seconds: number;
  readonly renewable: boolean;
  /** How many requests it may serve; 0: unlimited. */
  readonly uses: number;
  /** Vault can't renew or revoke it. */
  readonly isBatch: boolean;
}

/** A request for a credential. */
export interface VaultRequest {
  /** Vault namespace; missing: the login's. */
  readonly namespace?: string;
  readonly method: "GET" | "POST";
  readonly mount: string;
  readonly path: string;
  /** JSON body of a POST. */
  readonly body?: JsonObject;
  /** It is not sent after this time, so that its end is known (lease-table 27): it may have to wait for its turn. */
  readonly startBy?: EpochMs;
}

/** Vault's own lease. */
export interface VaultLease {
  readonly id: string;
  /** In seconds. */
  readonly seconds: number;
  readonly renewable: boolean;
}

/** An issued credential, and how long it is good. */
export interface IssuedData extends Pick<SourceData, "response" | "fields"> {
  readonly requestId: string;
  /** Missing: Vault keeps no lease for it. */
  readonly lease?: VaultLease;
  /** Without a lease: how long Vault says that the data is good, in seconds; 0: it does not say. */
  readonly goodForSeconds: number;
}

/**
 * `gone`: there is no such lease, or no such token, any more. `denied`: the token's policies do not allow it.
 * `unrenewed`: Vault still has it, and does not renew it now, as while a database is down.
 */
export type RenewAnswer =
  | { readonly kind: "renewed"; readonly seconds: number; readonly renewable: boolean }
  | { readonly kind: "gone" | "denied" | "unrenewed" };

/** What Vault tells of a lease. `issuedAt`: missing when it does not say. */
export type LeaseAnswer =
  | (Extract<RenewAnswer, { readonly kind: "renewed" }> & { readonly issuedAt?: EpochMs })
  | { readonly kind: "gone" | "denied" };

/** What Vault tells of a token. */
export type TokenAnswer =
  | {
      readonly kind: "found";
      /** Its TTL after a login or a full renewal, in seconds; 0: it never ends. */
      readonly seconds: number;
      readonly renewable: boolean;
      readonly uses: number;
      readonly isBatch: boolean;
      readonly createdAt: EpochMs;
    }
  | { readonly kind: "gone" | "denied" };

/** A lease that was issued with a token that we do not have: the identity's shared token renews and ends it by its id. */
export interface ForeignLease {
  readonly identity: VaultIdentity;
  /** Vault namespace of the lease; missing: root. */
  readonly namespace?: string;
  readonly id: string;
  /** The increment of a renewal. */
  readonly seconds: number;
  readonly by: SyncKey;
}

/** `ended`: Vault answered that it is, or was already, gone. */
export type EndAnswer = "ended" | "denied";

/** What a token may do to its own issue. Every member is false for a batch token. */
export interface EndRights {
  /** revoke-self, if its leases end with it. */
  readonly token: boolean;
  /** sys/leases/revoke. */
  readonly lease: boolean;
}

/** Logs in, issues, renews, looks up and ends. Throws a SyncError; `gone` and `denied` are answers. */
export interface IssueApi {
  /** A login of its own. Throws as a read's login does. */
  login(identity: VaultIdentity, signal: AbortSignal): Promise<OwnToken>;
  /**
   * Asks with this token. Takes at most `ISSUE_TIMEOUT_MS`. Throws VAULT_ANSWER_INVALID for an answer without data, or
   * with a lease id of more than 1,024 bytes.
   */
  issue(way: IssueTarget, token: SecretValue, request: VaultRequest, signal: AbortSignal): Promise<IssuedData>;
  /** The same with the identity's shared token, for requests that leave no lease. */
  ask(
    identity: VaultIdentity,
    request: VaultRequest,
    by: SyncKey,
    repeatable: boolean,
    signal: AbortSignal,
  ): Promise<IssuedData>;
  /** Renews by this increment in seconds. Throws outages and time-outs. */
  renewLease(
    way: IssueTarget,
    token: SecretValue,
    lease: Pick<VaultLease, "id" | "seconds">,
    signal: AbortSignal,
  ): Promise<RenewAnswer>;
  renewToken(way: IssueTarget, token: SecretValue, seconds: number, signal: AbortSignal): Promise<RenewAnswer>;
  /** Revokes the token with its leases. */
  revokeToken(way: IssueTarget, token: SecretValue, signal: AbortSignal): Promise<EndAnswer>;
  revokeLease(way: IssueTarget, token: SecretValue, leaseId: string, signal: AbortSignal): Promise<EndAnswer>;
  /** Seconds that are left; `gone` or `denied`. */
  lookUpLease(way: IssueTarget, token: SecretValue, leaseId: string, signal: AbortSignal): Promise<LeaseAnswer>;
  /** About the token itself. */
  lookUpToken(way: IssueTarget, token: SecretValue, signal: AbortSignal): Promise<TokenAnswer>;
  /** About the identity's shared token: what its logins give. */
  lookUpShared(identity: VaultIdentity, by: SyncKey, signal: AbortSignal): Promise<TokenAnswer>;
  renewForeign(lease: ForeignLease, signal: AbortSignal): Promise<RenewAnswer>;
  revokeForeign(lease: ForeignLease, signal: AbortSignal): Promise<EndAnswer>;
  /** One request, by sys/capabilities-self; all rights when a token may not ask. */
  endRights(way: IssueTarget, token: SecretValue, signal: AbortSignal): Promise<EndRights>;
}

/** `unknown`: no key opens it. */
export type SealedBy = "present" | "former" | "unknown";

/** Encrypts the tokens of issues: bound to the installation, the sync's declaration key, and the issue's serial. */
export interface TokenSeals {
  seal(token: SecretValue, key: SyncKey, serial: string): Promise<string>;
  /** Undefined: sealed with another key, for another issue, or damaged. */
  open(sealed: string, key: SyncKey, serial: string): Promise<SecretValue | undefined>;
  sealedBy(sealed: string, key: SyncKey, serial: string): Promise<SealedBy>;
  /** Whether there are former keys besides the present one. */
  hasFormer(): Promise<boolean>;
}
