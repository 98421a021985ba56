import type { EpochMs } from "../clock.ts";
import type { Digest } from "../digest.ts";
import type { ErrorCode } from "../errors.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";

/** `now`: first syncs, nudges, retries. `refresh`: refresh slots of the wheel. Each has a queue of its own (lease-table 15). */
export type Lane = "now" | "refresh";

/** Plain JSON, as a resource or a row holds it. Never secret data. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** What we read of a resource; `hash` covers all of it, so (uid, hash) is its version (lease-table 5). */
export interface ResourceVersioned {
  readonly uid: string;
  readonly generation: number;
  /** Of spec, labels, annotations and whether it is being deleted. */
  readonly hash: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: JsonObject;
}

/** A declaration as discovery writes it. Nothing else writes these attributes. */
export interface Declared extends ResourceVersioned {
  readonly key: SyncKey;
  /** Hash of (identity, Vault, namespace, mount, path) as far as the declaration names them: sharers meet (lease-table 11). */
  readonly group: string;
  /** deletionTimestamp is set: a finalizer that another controller left holds it. */
  readonly deleting: boolean;
  /** The resource's resourceVersion and status as seen with this version: what a status write starts from. */
  readonly seen: StatusSeen;
  /** Its size in bytes, when that was too much to keep: then the spec is empty (lease-table 21). */
  readonly tooLarge?: number;
}

/** A resource's status and the resourceVersion that it was read at (kubernetes-rules 17). */
export interface StatusSeen {
  readonly resourceVersion: string;
  readonly status: JsonObject;
}

/** Something that syncs refer to: VaultAuth, VaultConnection, a credential Secret (by metadata only). */
export interface Reference extends ResourceVersioned {
  readonly key: ReferenceKey;
  /** It stands under the operator namespace's name, in one that is not known to be the operator's: nobody's default. */
  readonly isStranger?: boolean;
  /** Its size in bytes, when that was too much to keep: then the spec is empty. */
  readonly tooLarge?: number;
}

/** A Secret that we wrote, or were about to write: it enters with the claim and leaves after the prune (lease-table 8). */
export interface OwnedSecret {
  readonly name: string;
  /** Missing until the write was seen to succeed. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Fingerprint of our managedFields entry and of the data keys that others own (kubernetes-rules 10). */
  readonly managed?: string;
  readonly type?: string;
  /** It was adopted as VSO left it, and VSO's managedFields entry still owns fields of it (kubernetes-rules 3). */
  readonly ofVso?: boolean;
}

export interface RowError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly since: EpochMs;
  /** What the row waits for (lib/causes.ts): it stays through failures that say nothing of it, such as outages. */
  readonly cause?: string;
  /** The next run, as it was planned: a row that is due at another time was asked for since. */
  readonly nextAt?: EpochMs;
}

/** Restarts that are owed, until every target has had its own. */
export interface OwedRollout {
  readonly digest: Digest;
  /** The destination holds that digest since then, or earlier: a restart after that is enough. */
  readonly since: EpochMs;
  /** The next try. */
  readonly at: EpochMs;
  /** Tries in a row that failed for at least one target. */
  readonly attempts: number;
}

/** Everything that settle writes. */
export interface RowState {
  /** What the sync refers to, found or missing: a change of any of them nudges it (lease-table 23). */
  readonly refs: readonly ReferenceKey[];
  /** (Vault, namespace, mount, path), once resolved: the index that change events are looked up in. */
  readonly source?: string;
  /** Id of the circuit of the Vault that it reads. */
  readonly vault?: string;
  /** Of the Vault data that was last written. */
  readonly digest?: Digest;
  /** The digest that workloads were last restarted for, or needed no restart for. */
  readonly rolledDigest?: Digest;
  /** Missing: no restart is owed. */
  readonly rollout?: OwedRollout;
  /** kv-v2: version and created_time of what was last written (lease-table 9). */
  readonly version?: { readonly number: number; readonly createdTime: string };
  readonly owned: readonly OwnedSecret[];
  /** The hash of the declaration that was last applied: another one is a change even with equal data. */
  readonly appliedHash?: string;
  /** The status as we last wrote it, and the hash of the declaration that it was written for. */
  readonly seen?: StatusSeen & { readonly hash: string };
  /** kv-v2 answers are older than what was written, since then (lease-table 9). */
  readonly olderSince?: EpochMs;
  readonly attempts: number;
  readonly error?: RowError;
  /** When the destination was last known to be in step under a lease. */
  readonly syncedAt?: EpochMs;
  readonly settledAt?: EpochMs;
  /** Refresh slots up to here were dispatched before the row joined the wheel, so they stand in the due index (lease-table 14). */
  readonly bridgeUntil?: EpochMs;
  /** Clean-up rows only: the declaration's last lease may still be at work until then. */
  readonly busyUntil?: EpochMs;
}

/** Period and phase in whole seconds: due whenever `now mod period = phase`. */
export interface RefreshSlot {
  readonly period: number;
  readonly phase: number;
}

/** What the lease table holds of one sync. */
export interface Row {
  readonly key: SyncKey;
  readonly declared: Declared;
  readonly state: RowState;
  /** Goes up with every event that asks for work; settle compares it with what it saw. */
  readonly nudges: number;
  /** Someone saw a difference at the destination: verify it before deciding. */
  readonly verify: boolean;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt?: EpochMs;
  readonly wheel?: RefreshSlot;
}

export const EMPTY_STATE: RowState = { refs: [], owned: [], attempts: 0 };
