import type { EpochMs } from "../clock.ts";
import type { Digest } from "../digest.ts";
import type { ErrorCode } from "../errors.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";
import type { Json, JsonObject } from "../util/json.ts";
import type { Issue } from "./issues.ts";
import type { Ref, WaitKey } from "./refs.ts";

/**
 * `renew`: renewals of Vault leases. `now`: first syncs, nudges, retries, issues. `refresh`: slots of the refresh
 * wheel. Each lane has its own queue (lease-table 15).
 */
export type Lane = "renew" | "now" | "refresh";

/** Lanes with a wheel, as in its entries. */
export type WheelLane = Exclude<Lane, "now">;

/** The version of a resource, (uid, hash); `hash` covers everything that we read of it (lease-table 5). */
export interface ResourceVersioned {
  readonly uid: string;
  readonly generation: number;
  /** Of spec, labels, annotations and deletion. */
  readonly hash: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: JsonObject;
}

/** A declaration as discovery writes it. Only discovery writes these attributes. */
export interface Declared extends ResourceVersioned {
  readonly key: SyncKey;
  /**
   * Hash of (identity, Vault, namespace, mount, path) as the declaration names them: syncs with the same one share
   * reads (lease-table 11).
   */
  readonly group: string;
  /** deletionTimestamp is set: another controller's finalizer keeps it. */
  readonly deleting: boolean;
  /** The resource's resourceVersion and status at this version, on which a status write is based. */
  readonly seen: StatusSeen;
  /** Its size in bytes, if it was too large to store: then the spec is empty (lease-table 21). */
  readonly tooLarge?: number;
}

/** A resource's status, with its resourceVersion at the read (kubernetes-rules 17). */
export interface StatusSeen {
  readonly resourceVersion: string;
  readonly status: JsonObject;
}

/** An object that syncs refer to: VaultAuth, VaultConnection, a credential Secret (only its metadata). */
export interface Reference extends ResourceVersioned {
  readonly key: ReferenceKey;
  /**
   * It is in a namespace with the operator namespace's name that may not be the operator's, so it is never a default.
   */
  readonly isStranger?: boolean;
  /** Its size in bytes, if it was too large to store: then the spec is empty. */
  readonly tooLarge?: number;
  /** Only a Secret with credentials: it was followed, and was deleted. */
  readonly isGone?: true;
}

/** A Secret that we wrote or were about to write: added with the claim, removed after the prune (lease-table 8). */
export interface OwnedSecret {
  readonly name: string;
  /** Missing until the write succeeded. */
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** Fingerprint of our managedFields entry and of other owners' data keys (kubernetes-rules 10). */
  readonly managed?: string;
  readonly type?: string;
  /** It was adopted unchanged from VSO, whose managedFields entry still owns fields of it (kubernetes-rules 3). */
  readonly ofVso?: boolean;
}

/** A failure, as it is stored in the row of a sync, a cluster or a hub. */
export interface RowError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly since: EpochMs;
  /** The cause of the wait (lib/failures/causes.ts): kept during unrelated failures, such as outages. */
  readonly cause?: string;
  /** The planned next run: a row with another due time was requested since. */
  readonly nextAt?: EpochMs;
}

/** Owed restarts, until every target has had its own. */
export interface OwedRollout {
  readonly digest: Digest;
  /** Since when the destination has that digest: a restart after that suffices. */
  readonly since: EpochMs;
  /** The next try. */
  readonly at: EpochMs;
  /** Consecutive tries that failed for at least one target. */
  readonly attempts: number;
}

/** Where a row reads or writes in a Vault: change events are looked up by it. */
export interface Place {
  /** The name under `vaults` in fleet.yaml, or the normalised address of another Vault. */
  readonly vault: string;
  /**
   * Namespace, mount and path joined, without slashes at the ends: `ns1` with `kv/a`, and the root with `ns1/kv/a`, are
   * the same place.
   */
  readonly path: string;
  readonly role: "read" | "push";
}

/** A path that this row pushes to: recorded with the claim, before the write (lease-table 31). */
export interface Pushed {
  /** As in `Place`, when it was claimed. */
  readonly vault: string;
  /** With its namespace. */
  readonly mount: string;
  /** Below the mount. */
  readonly path: string;
  readonly engine: "kv-v1" | "kv-v2";
  /** kv-v2: the version that we wrote, the only one that we may replace. */
  readonly version?: number;
  readonly digest?: Digest;
  /** Our fields, when other fields stay. */
  readonly keys?: readonly string[];
  /** It was written by the rule `merge`, so that fields of others may be there: they stay, also by `fail`. */
  readonly merged?: boolean;
  /** The digest of a write that may have been carried out: recorded before it. */
  readonly writing?: Digest;
  /** The version that this write makes, in kv-v2, and its fields if they are others than `keys`. */
  readonly writingVersion?: number;
  readonly writingKeys?: readonly string[];
  /**
   * How its binary values are told from text: by the list in custom_metadata, or, where the login may not write that, by
   * a suffix of their fields. Missing: there was none yet.
   */
  readonly binary?: "listed" | "suffixed";
  /** That list as it was last written; missing: none. */
  readonly list?: string;
  /** It is to be written after the fields: recorded before these. */
  readonly listing?: true;
  /** When it was last written, and how often since `since`: a loop must not fill Vault with versions. */
  readonly wroteAt?: EpochMs;
  readonly burst?: WriteBurst;
  /**
   * Everything that stood there was removed, but a write may still be carried out until then: looked at once more at
   * that time, and forgotten only then.
   */
  readonly landsBy?: EpochMs;
  /** Its removal has begun: what is recorded may stand there no more. */
  readonly removing?: true;
}

/** How often a path was written lately. Each write makes a version, so a loop is stopped. */
export interface WriteBurst {
  readonly since: EpochMs;
  readonly count: number;
  /** The hash of the declaration for which the path is not written any more: only another declaration ends that. */
  readonly parked?: string;
}

/** How often its Secret was put back, because another program changed it. What began long ago is over. */
export interface Repairs {
  readonly since: EpochMs;
  readonly count: number;
}

/** An unsent domain event. Its id consists of key, fence and kind, so that sending it twice is harmless. */
export interface DomainEvent {
  readonly id: string;
  readonly kind: string;
  readonly at: EpochMs;
  readonly detail: JsonObject;
}

/** Everything that settle writes: common parts, and one part for the row's kind. */
export interface RowState {
  /** The resources that the sync refers to, found or missing: a change nudges it (lease-table 23). */
  readonly refs: readonly ReferenceKey[];
  /** What else it waits for. */
  readonly awaits?: readonly WaitKey[];
  /** Where it reads, or pushes to, once resolved. */
  readonly place?: Place;
  /** The circuit of its Vault: the row waits while it is open. */
  readonly waitsFor?: string;
  /** Data that only the row's kind reads. Never secret data. */
  readonly own?: Json;
  /** Of the last written Vault data. */
  readonly digest?: Digest;
  /** The digest for which workloads were last restarted, or needed no restart. */
  readonly rolledDigest?: Digest;
  /** Missing: no restart is owed. */
  readonly rollout?: OwedRollout;
  readonly owned: readonly OwnedSecret[];
  /** The Secret that is not ours, and is to be emptied when the declaration goes. */
  readonly blanks?: string;
  /** Missing: none. */
  readonly issues?: readonly Issue[];
  /** Missing: none. */
  readonly pushed?: readonly Pushed[];
  /** The hash of the last applied declaration: another one is a change even with equal data. */
  readonly appliedHash?: string;
  /** The status as we last wrote it, and the hash of its declaration. Doubtful: another write of it had no answer. */
  readonly seen?: StatusSeen & { readonly hash: string; readonly isDoubtful?: true };
  readonly attempts: number;
  readonly error?: RowError;
  /** A difference was seen, and the run that should have verified it failed: the next one that works does. */
  readonly isUnverified?: true;
  /** Missing: there was none. */
  readonly repairs?: Repairs;
  /** When the destination was last known to be in step under a lease. */
  readonly syncedAt?: EpochMs;
  readonly settledAt?: EpochMs;
  /** When its kind wants the next run; missing: an event or the wheel starts it. */
  readonly nextAt?: EpochMs;
  /**
   * Refresh slots until then were dispatched before the row joined the wheel, so they are in the due index (lease-table
   * 14).
   */
  readonly bridgeUntil?: EpochMs;
  /** Only in clean-up rows: until when the declaration's last lease may still be running. */
  readonly busyUntil?: EpochMs;
  /** The fence of that lease: the end of its run ends the wait. Missing: there are several, so only time does. */
  readonly busyFence?: number;
  /** Only in retired rows: until when Vault leases are renewed, before they are revoked (lease-table 28). */
  readonly retainUntil?: EpochMs;
  /** Missing: none. After a crash the sweep finds and sends them. */
  readonly unsent?: readonly DomainEvent[];
}

/** Period and phase in whole seconds: due whenever `now mod period = phase`. */
export interface RefreshSlot {
  readonly period: number;
  readonly phase: number;
}

/** The highest version that a nudge saw: an older answer does not count yet (lease-table 30). */
export interface Expected {
  /** 0: something changed, but its version is not known. */
  readonly version: number;
  /** When it was written, or, where that is not known, when a nudge last raised it. */
  readonly at: EpochMs;
}

/** The lease table's data about one sync. */
export interface Row {
  readonly key: SyncKey;
  readonly declared: Declared;
  readonly state: RowState;
  /** Counts the events that request work; settle compares it with what it saw. */
  readonly nudges: number;
  /** Those that the last claim saw. Missing: none did, or an earlier version stored the row. */
  readonly nudgesSeen?: number;
  /** A difference at the destination was seen: verify it before deciding. */
  readonly verify: boolean;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt?: EpochMs;
  /** On the refresh wheel. */
  readonly wheel?: RefreshSlot;
  /** On the renew wheel, besides any other due time. */
  readonly renew?: RefreshSlot;
  readonly expect?: Expected;
}

/** The state of a row that no run has settled yet. */
export const EMPTY_STATE: RowState = { refs: [], owned: [], attempts: 0 };

/** What `byReference` finds a row by, according to its state. */
export function refsOf({ refs, awaits = [], issues = [] }: RowState): readonly Ref[] {
  return [...new Set<Ref>([...refs, ...awaits, ...issues.map(({ target }) => `target:${target}` as const)])];
}

/** The place that a row claims by pushing to it. */
export function pushPlace({ vault, mount, path }: Pushed): Place {
  return { vault, path: `${mount}/${path}`, role: "push" };
}

/** Whether a row without a declaration has nothing left to clean up in a cluster or Vault. */
export function ownsNothing({ owned, blanks, issues = [], pushed = [] }: RowState): boolean {
  return owned.length === 0 && blanks === undefined && issues.length === 0 && pushed.length === 0;
}

/** A difference at the destination was seen, and no run has looked at it since. */
export function isToVerify({ verify, state }: Pick<Row, "verify" | "state">): boolean {
  return verify || state.isUnverified === true;
}

/** The row after a look at its destination. */
export function verified(row: Row): Row {
  const { isUnverified: _former, ...state } = row.state;
  return { ...row, state, verify: false };
}

/** It was nudged, and no run has taken that up. */
export function isNudged({ nudges, nudgesSeen = nudges }: Pick<Row, "nudges" | "nudgesSeen">): boolean {
  return nudges > nudgesSeen;
}

/** The row has applied its declaration's version. */
export function isApplied({ state, declared }: Pick<Row, "state" | "declared">): boolean {
  return state.appliedHash === declared.hash;
}
