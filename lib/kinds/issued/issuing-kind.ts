import type { EpochMs } from "../../clock.ts";
import type { WantsSecret } from "../../destinations/kubernetes-secret/kubernetes-secret.ts";
import type { SyncError } from "../../errors.ts";
import type { IssuedCertificate } from "../../issues/shared-issue.ts";
import type { Warning } from "../../origins/warnings.ts";
import type { Issue } from "../../ports/issues.ts";
import type { IssuedData, VaultRequest } from "../../ports/vault-issues.ts";
import type { SecretData } from "../../secret-value.ts";
import type { Transformation } from "../../transform/transformation.ts";
import type { Json, JsonObject } from "../../util/json.ts";
import type { StatusLease } from "../../vso/take-over/last-status.ts";
import type { AskedVault, ForeseeInput, ObtainInput, Resolved, SyncKind } from "../kind.ts";
import type { IssuedState } from "./issued-state.ts";

/** A declaration that makes Vault issue something. */
export interface ResolvedIssued extends Resolved, WantsSecret {
  readonly asks: AskedVault;
  readonly destination: WantsSecret["destination"];
  readonly rolloutTargets: WantsSecret["rolloutTargets"];
  readonly request: VaultRequest;
  readonly renewalPercent: number;
  /** Whether a replaced credential is revoked before its end. */
  readonly revokesReplaced: boolean;
  /** Its VaultAuth, to recognise the token that Vault Secrets Operator got by it. */
  readonly auth?: { readonly uid: string; readonly generation: number };
  readonly transformation: Transformation;
  /** What of the request issues anew when it changes. */
  readonly cause: Json;
}

/** What a kind makes of an answer. */
export interface Made {
  readonly data: SecretData;
  readonly missing: readonly string[];
  /** When it must be asked for again, whatever can be renewed; missing: as its lease says. */
  readonly replaceAt?: EpochMs;
  /** To be revoked by its serial number, when it has no lease. */
  readonly certificate?: IssuedCertificate;
  readonly made?: JsonObject;
  readonly warnings?: readonly Warning[];
  /** The Secret has it already, and keeps its data. */
  readonly isHeld?: boolean;
}

/** When the present data is to be replaced, as its declaration says now. */
export interface ReplaceWindow {
  readonly from: EpochMs;
  readonly until: EpochMs;
  /** No data of this kind can have this window: the former time stays. */
  readonly unusable?: SyncError;
}

/** What kinds that issue differ in. */
export interface IssuingKind<R extends ResolvedIssued> extends Pick<SyncKind<R>, "ref" | "resolve" | "failedStatus"> {
  /** Throws what makes the answer unusable: then it is ended at once. */
  make(run: ForeseeInput<R>, answer: IssuedData, askedAt: EpochMs, was: IssuedState): Promise<Made>;
  /** What an answer is revoked by, when it is of no use and has no lease; undefined: it can't be, or needs not. */
  answered?(run: ForeseeInput<R>, answer: IssuedData): IssuedCertificate | undefined;
  /** Why the present data does not do any more; undefined when it does. */
  unfit?(run: ForeseeInput<R>, was: IssuedState, held: SecretData): string | undefined;
  /** When the present data is to be replaced, by its declaration; undefined: at the time that was chosen for it. */
  window?(run: ForeseeInput<R>, was: IssuedState): ReplaceWindow | undefined;
  /** When the present data ends by itself, where it has no lease that tells; undefined: not known. */
  endsAt?(was: IssuedState): EpochMs | undefined;
  /** What the present data is revoked by, when it has no lease; undefined: it can't be, or needs not. */
  revocable?(run: ForeseeInput<R>, was: IssuedState): IssuedCertificate | undefined;
  /**
   * After an event that may concern the present data: what Vault tells of it now, to keep beside what was `made`. Throws
   * outages. Missing: leases tell.
   */
  look?(run: ObtainInput<R>, was: IssuedState): Promise<JsonObject>;
  /** What the row knows of the present data, after an edit that changes its time and asks nothing of Vault. */
  asDeclaredNow?(run: ForeseeInput<R>, was: IssuedState): IssuedState;
  /** Whether each run reads anew, because that issues nothing: static roles. */
  isReadEachTime?(run: ForeseeInput<R>, was: IssuedState): boolean;
  /** Whether what was read is what the Secret had before, whatever else in the answer changes with each read. */
  isSame?(was: IssuedState, made: Made): boolean;
  /** What it can use of what Vault Secrets Operator left; undefined: nothing. */
  left(run: ForeseeInput<R>, left: LeftByVso): Left | undefined;
  status(was: IssuedState, live: Issue | undefined): JsonObject;
}

/** What a kind makes of what Vault Secrets Operator left: a certificate, a lease, or data without either. */
export interface Left {
  /** False: the Secret's data is not what the status tells of. It is replaced at once. */
  readonly isPresent: boolean;
  readonly issuedAt: EpochMs;
  readonly made?: JsonObject;
  readonly replaceAt?: EpochMs;
  /** To be revoked when it is replaced. */
  readonly certificate?: IssuedCertificate;
  /** The lease of the Secret's data: its token is VSO's. */
  readonly lease?: StatusLease;
  readonly isLeaseless?: boolean;
}

export interface LeftByVso {
  readonly status: JsonObject;
  readonly data: SecretData;
  /** VSO synced this version of the declaration. */
  readonly isSameSpec: boolean;
}
