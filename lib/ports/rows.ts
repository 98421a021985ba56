import type { EpochMs } from "../clock.ts";
import type { Digest } from "../digest.ts";
import type { ErrorCode } from "../errors.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";
import type { Json, JsonObject } from "../util/json.ts";

/**
 * `renew`: renewals of Vault leases. `now`: first syncs, nudges, retries, issues. `refresh`: slots of the refresh wheel. Each has a
 * queue of its own (lease-table 15).
 */
export type Lane = "renew" | "now" | "refresh";

/** Lanes with a wheel: its entries carry it. */
export type WheelLane = Exclude<Lane, "now">;

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
  /** What the row waits for (lib/failures/causes.ts): it stays through failures that say nothing of it, such as outages. */
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

/** Where a row reads or writes in a Vault: the index that change events are looked up in. */
export interface Place {
  /** The name under `vaults` in fleet.yaml, or the normalised address of a Vault that fleet.yaml does not name. */
  readonly vault: string;
  /** Namespace, mount and path joined, without slashes at the ends: `ns1` with `kv/a`, and the root with `ns1/kv/a`, are one place. */
  readonly path: string;
  readonly role: "read" | "push";
}

/** What a row waits for beside resources. Finding it mended, released or closed wakes the row (lease-table 23). */
export type WaitKey =
  /** A failure's cause (lib/failures/causes.ts). */
  | `cause:${string}`
  /** `<cluster>/<namespace>/<name>` of a Secret that was refused to it. */
  | `destination:${string}`
  /** The circuit of a Vault, for resources whose status tells of it. */
  | `circuit:${string}`;

/** Everything that `byReference` finds rows by. */
export type Ref = ReferenceKey | WaitKey | `target:${string}`;

/**
 * One request to a Vault for a credential, and what came of it (lease-table 26). It is recorded before the request is sent, and
 * leaves only once its token was ended at the Vault, or has ended by itself (lease-table 27, 28).
 */
export interface Issue {
  /** Random; the sealed token is bound to it. */
  readonly serial: string;
  /** `asking`: the request may be on its way. `got`: answered, not applied. `live`: in use. `ending`: to be ended at `endAt`. */
  readonly state: "asking" | "got" | "live" | "ending";
  /** The token that asked, encrypted; bound to installation, key and serial. It never stands in the token store. */
  readonly sealedToken: string;
  /** Digest of the target that reaches its Vault (`TargetStore`). */
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
  /** Of the data that it answered. */
  readonly digest?: Digest;
  readonly endAt?: EpochMs;
  /** The token is not of this issue alone: ending it would end others. */
  readonly shared?: boolean;
}

/** A row holds at most so many issues that have not ended. Merged clean-ups may hold more: none is ever dropped. */
export const MAX_ISSUES = 4;

/** A path that this row pushes to: recorded with the claim, before the write (lease-table 31). */
export interface Pushed {
  /** As in `Place`. */
  readonly vault: string;
  /** With its namespace. */
  readonly mount: string;
  /** Below the mount. */
  readonly path: string;
  readonly engine: "kv-v1" | "kv-v2";
  /** kv-v2: the version that we wrote, which alone may be replaced. */
  readonly version?: number;
  readonly digest?: Digest;
  /** The fields that are ours, where others' stay. */
  readonly keys?: readonly string[];
}

/** A domain event that has not been sent. Its id is made of key, fence and kind, so that sending it twice is harmless. */
export interface DomainEvent {
  readonly id: string;
  readonly kind: string;
  readonly at: EpochMs;
  readonly detail: JsonObject;
}

/** Everything that settle writes: what all kinds have in common, and one part of the row's own kind. */
export interface RowState {
  /** The resources that the sync refers to, found or missing: a change of any of them nudges it (lease-table 23). */
  readonly refs: readonly ReferenceKey[];
  /** What it waits for beside them. */
  readonly awaits?: readonly WaitKey[];
  /** Where it reads, or pushes to, once resolved. */
  readonly place?: Place;
  /** Id of the circuit that it waits under while that is open: of its Vault. */
  readonly waitsFor?: string;
  /** What only the row's kind reads. Never secret data. */
  readonly own?: Json;
  /** Of the Vault data that was last written. */
  readonly digest?: Digest;
  /** The digest that workloads were last restarted for, or needed no restart for. */
  readonly rolledDigest?: Digest;
  /** Missing: no restart is owed. */
  readonly rollout?: OwedRollout;
  readonly owned: readonly OwnedSecret[];
  /** Missing: none. */
  readonly issues?: readonly Issue[];
  /** Missing: none. */
  readonly pushed?: readonly Pushed[];
  /** The hash of the declaration that was last applied: another one is a change even with equal data. */
  readonly appliedHash?: string;
  /** The status as we last wrote it, and the hash of the declaration that it was written for. */
  readonly seen?: StatusSeen & { readonly hash: string };
  readonly attempts: number;
  readonly error?: RowError;
  /** When the destination was last known to be in step under a lease. */
  readonly syncedAt?: EpochMs;
  readonly settledAt?: EpochMs;
  /** Refresh slots up to here were dispatched before the row joined the wheel, so they stand in the due index (lease-table 14). */
  readonly bridgeUntil?: EpochMs;
  /** Clean-up rows only: the declaration's last lease may still be at work until then. */
  readonly busyUntil?: EpochMs;
  /** Retired rows only: Vault leases are renewed until then, and revoked afterwards (lease-table 28). */
  readonly retainUntil?: EpochMs;
  /** Missing: none. Found by the sweep when a crash left them unsent. */
  readonly unsent?: readonly DomainEvent[];
}

/** Period and phase in whole seconds: due whenever `now mod period = phase`. */
export interface RefreshSlot {
  readonly period: number;
  readonly phase: number;
}

/** The highest version that a nudge saw: an answer that is older is not believed yet (lease-table 30). */
export interface Expected {
  readonly version: number;
  /** When the nudge that raised it last came. */
  readonly at: EpochMs;
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
  /** On the refresh wheel. */
  readonly wheel?: RefreshSlot;
  /** On the renew wheel, whatever else it is due for. */
  readonly renew?: RefreshSlot;
  readonly expect?: Expected;
}

export const EMPTY_STATE: RowState = { refs: [], owned: [], attempts: 0 };

/** What `byReference` finds a row by, as its state says. */
export function refsOf({ refs, awaits = [], issues = [] }: RowState): readonly Ref[] {
  return [...new Set<Ref>([...refs, ...awaits, ...issues.map(({ target }) => `target:${target}` as const)])];
}

/** The place that a row claims for itself by pushing to it. */
export function pushPlace({ vault, mount, path }: Pushed): Place {
  return { vault, path: `${mount}/${path}`, role: "push" };
}

/** Whether a row without a declaration has nothing left to do: nothing of it stands in a cluster or a Vault. */
export function ownsNothing({ owned, issues = [], pushed = [] }: RowState): boolean {
  return owned.length === 0 && issues.length === 0 && pushed.length === 0;
}

/** The row is in step with its declaration: the same version was carried out. */
export function isApplied({ state, declared }: Pick<Row, "state" | "declared">): boolean {
  return state.appliedHash === declared.hash;
}
