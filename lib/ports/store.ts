import type { EpochMs } from "../clock.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";
import type { Json } from "../util/json.ts";
import type { CircuitStore } from "./circuit-store.ts";
import type { ClusterStore } from "./cluster-store.ts";
import type { Did } from "./domain-events.ts";
import type { HubStore } from "./hub-store.ts";
import type { Ref } from "./refs.ts";
import type {
  Declared,
  DomainEvent,
  Expected,
  Lane,
  OwnedSecret,
  Place,
  Pushed,
  Reference,
  RefreshSlot,
  Row,
  RowError,
  RowState,
  WheelLane,
} from "./rows.ts";

export type * from "./circuit-store.ts";
export type * from "./cluster-store.ts";
export type * from "./hub-store.ts";

/**
 * What every store promises to the core, in one file because it is one contract: each implementation has all of it, and
 * one suite (test/contract/lease-store) holds them to it.
 */

/** A key that is due now or at `at`. Indexes project only this (lease-table 17). */
export interface Due {
  readonly key: SyncKey;
  readonly group: string;
  readonly lane: Lane;
  readonly at: EpochMs;
}

/** The right to work on one sync until `until`. Every later write has its fence and uid. */
export interface Lease {
  readonly key: SyncKey;
  readonly uid: string;
  readonly fence: number;
  readonly until: EpochMs;
  /** The row's nudges at the read before the first Vault read (lease-table 2). */
  readonly nudges: number;
  /** The state after the claim: settle writes only index entries that differ from it. */
  readonly state: RowState;
  /** As at the claim. */
  readonly expect?: Expected;
}

/** When a settled row runs next. A row is on the refresh wheel or in the due index, not both (lease-table 10). */
export type Schedule =
  /**
   * `dueAt` for a refresh slot that was dispatched before the row joined the wheel (lease-table 14), and for owed
   * restarts.
   */
  | { readonly kind: "wheel"; readonly slot: RefreshSlot; readonly dueAt?: EpochMs }
  | { readonly kind: "due"; readonly at: EpochMs }
  /** Until a new declaration, a changed reference or a nudge. */
  | { readonly kind: "parked" }
  /** The clean-up is complete: the row goes. Not with issues, which must end first (lease-table 28). */
  | { readonly kind: "gone" };

/** How a run ended: what to store, and when the row runs next. */
export interface Settlement {
  readonly state: RowState;
  readonly schedule: Schedule;
  /**
   * The row's slot on the renew wheel. Missing: unchanged, so that no failure removes a row from it (lease-table 10).
   */
  readonly renew?: RefreshSlot | "off";
  /** The version that was read: a nudge's expectation ends once it is reached, or after 30 s (lease-table 30). */
  readonly reached?: number;
  readonly now: EpochMs;
  /** The circuit that the run met, and that wakes the row when it closes; stores ignore it. */
  readonly circuit?: string;
  /** For domain events; stores ignore it. */
  readonly did?: Did;
}

/** Nudges start a row at most once in this time, in ms, unless they ask for a longer one (lease-table 9). */
export const NUDGE_GAP_MS = 2_000;

/** How long a row keeps a nudge's expectation that its settle did not reach, in ms. */
export const EXPECTED_MS = 30_000;

/**
 * `nudged`: stored, but the row is due now, because of a nudge meanwhile. `lost`: the fence or uid changed, and nothing
 * was stored.
 */
export type SettleOutcome = "settled" | "nudged" | "lost";

/** A row in a list of a cluster's syncs: key, version, references and state. */
export interface RowSummary {
  readonly key: SyncKey;
  readonly uid: string;
  readonly hash: string;
  readonly generation: number;
  readonly refs: readonly ReferenceKey[];
  readonly waitsFor?: string;
  readonly error?: RowError;
  readonly attempts: number;
  readonly syncedAt?: EpochMs;
  readonly leaseUntil?: EpochMs;
  readonly dueAt?: EpochMs;
  readonly wheel?: RefreshSlot;
  /** The size of its declaration, if the store knows it without a read. */
  readonly bytes?: number;
}

/** `until` is the end of the lease, in ms since 1970. */
export interface ClaimOptions {
  readonly now: EpochMs;
  readonly until: EpochMs;
  /** Destination names that are about to be written, recorded with the claim (lease-table 8). */
  readonly owned?: readonly OwnedSecret[];
}

/** A taken lease, with the row as it is under it. */
export interface Claimed {
  readonly lease: Lease;
  /** The row after the claim. */
  readonly row: Row;
}

/** A claim that takes paths of a Vault as well. */
export interface ClaimPushOptions extends ClaimOptions {
  /** Paths that are about to be written. Recorded ones stay (lease-table 31). */
  readonly pushed: readonly Pushed[];
}

/** Another row pushes to this path: the claim wrote nothing. */
export interface PathTaken {
  readonly taken: Place;
  readonly by: SyncKey;
}

/** Why a row is asked to run. */
export interface NudgeOptions {
  readonly now: EpochMs;
  /** A difference was seen: read the destination before deciding. */
  readonly verify: boolean;
  /** Now, even shortly after the row was settled. */
  readonly atOnce?: boolean;
  /** At the earliest so long after the last settle, in ms; default: 2 s. */
  readonly gapMs?: number;
  /**
   * A reference changed. Counts for a row that is due as well: its run may have read the reference, and not have claimed
   * the row yet.
   */
  readonly isOfReference?: boolean;
  /**
   * The version that was seen; the row keeps the highest one. 0: something changed, but no version is known. `at`: when
   * it was written, which is not in the future; default: now. `forget`: versions restart, so the expectation is
   * dropped.
   */
  readonly expect?: { readonly version: number; readonly at?: EpochMs } | "forget";
}

/** A part of a long result. `next` is the start of the next part; missing: this was the last one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

/** Which part of a long result to read. */
export interface PageOptions {
  /** `next` of the previous page. */
  readonly after?: string;
  /** The maximum; default: 1,000. Any page may have fewer entries, or none. */
  readonly limit?: number;
}

/** A row that reads or pushes to a path of a Vault. */
export interface PlaceEntry {
  readonly key: SyncKey;
  readonly path: string;
  readonly role: Place["role"];
}

/**
 * Paths are compared by segments: the prefix `a/b` matches `a/b` and `a/b/c`, but not `a/bc`. An empty prefix is the
 * whole Vault.
 */
export type PlaceQuery = { readonly path: string } | { readonly prefix: string };

/**
 * Rows of syncs and their clean-ups. Each method is one atomic step; each update requires that the row exists
 * (lease-table 4).
 */
export interface SyncStore {
  read(keys: readonly SyncKey[], consistency: "strong" | "eventual"): Promise<ReadonlyMap<SyncKey, Row>>;

  /**
   * Writes a declaration: a new row (fence = now), or a changed one (nudges + 1, due now; a claimed row keeps its
   * dueAt). Another uid under the same key tombstones the old row first. The same (uid, hash) writes nothing and
   * returns undefined. A new row takes the pushed paths of its own clean-up back, which ends, unless that has more to
   * do or is claimed.
   */
  declare(declared: Declared, now: EpochMs): Promise<Due | undefined>;

  /**
   * The declaration with this uid is gone: its row becomes the clean-up row `key#uid`, due now, or is removed if it
   * owns nothing (no Secret, no issue, no pushed path) and is not claimed. It is merged into an existing clean-up
   * without loss. It leaves the wheels and all indexes but those of its cluster and its targets, and keeps its pushed
   * paths. Undefined when there is nothing to do.
   */
  tombstone(key: SyncKey, uid: string, now: EpochMs): Promise<Due | undefined>;

  /**
   * Deletes a row without touching its Secrets: its cluster or namespace left the fleet (lease-table 18). Deleting a
   * row with issues is a bug and throws (lease-table 28). With a hash: only while that is the row's declaration.
   */
  release(key: SyncKey, hash?: string): Promise<void>;

  /**
   * A cluster, namespace or declaration leaves us, and its Secrets stay. A row with issues becomes the clean-up
   * `key#uid` with `retainUntil`: it keeps its issues and its slot on the renew wheel, loses Secrets, pushed paths,
   * place, cluster and all references but targets, and is due at `until`. A clean-up keeps its key and continues. A row
   * without issues is released. With a hash: only while that is the row's declaration.
   */
  retire(key: SyncKey, until: EpochMs, now: EpochMs, hash?: string): Promise<Due | undefined>;

  /** Retired rows of all clusters that have not ended. */
  retired(): Promise<readonly RowSummary[]>;

  /**
   * Requests work now: nudges + 1; dueAt = now, or `gapMs` after the last settle unless `atOnce` is set. While it is
   * claimed dueAt stays, and settle leaves it due. Writes nothing when a complete run is coming anyway, because the row
   * is due by then and unclaimed, or claimed and nudged since; only `verify`, a higher expected version, and the first
   * nudge of a row with issues are still stored (lease-table 9, 26, 30). Then returns undefined, unless the row has
   * waited for long; also when it is absent.
   */
  nudge(key: SyncKey, options: NudgeOptions): Promise<Due | undefined>;

  /** The same for many keys, each once: reads in batches, and writes a limited number at once. */
  nudgeAll(keys: Iterable<SyncKey>, options: NudgeOptions): Promise<readonly Due[]>;

  /**
   * Takes the lease if the row has the uid and fence that were read and is not claimed: fence + 1 (never below the one
   * read), leaseUntil = dueAt = until (lease-table 1, 3).
   */
  claim(row: Row, options: ClaimOptions): Promise<Claimed | undefined>;

  /** The same with paths that no other row may push to, until a settle without them, or the row's end. */
  claimPush(row: Row, options: ClaimPushOptions): Promise<Claimed | PathTaken | undefined>;

  /**
   * Stores progress before and after each unrepeatable request (lease-table 26): one item, one write. Lease, times,
   * nudges, wheels and declaration stay; so do references, waits and place, which only settle changes. `lost`: another
   * fence or uid, or the lease has ended; nothing was stored.
   */
  record(lease: Lease, state: RowState, now: EpochMs): Promise<"recorded" | "lost">;

  /**
   * Ends a lease: state, schedule, no leaseUntil, verify cleared; conditional on fence and uid, and on nudges as seen.
   * Indexes of references, place and pushed paths follow the state.
   */
  settle(lease: Lease, settlement: Settlement): Promise<SettleOutcome>;

  /**
   * The run of this lease is over, but its settle was lost, perhaps because its declaration is gone. Then the clean-up
   * need not wait for the lease's end (lease-table 8): `busyUntil` is removed if it is that of this lease, as a nudge. A
   * clean-up that waited for it is due now, and returned; one at work is due after its settle. Writes nothing otherwise.
   */
  endRun(lease: Lease, now: EpochMs): Promise<Due | undefined>;

  /** Unclaimed rows at `now` with `after < dueAt <= until`, oldest first. */
  due(
    range: { readonly after: EpochMs; readonly until: EpochMs; readonly now: EpochMs },
    limit: number,
  ): Promise<readonly Due[]>;

  /** Periods in use on a wheel (an add-only set suffices: lease-table 12). */
  periods(lane: WheelLane): Promise<readonly number[]>;

  /** Rows on a wheel with this period and `fromPhase <= phase <= toPhase`. */
  onWheel(lane: WheelLane, period: number, fromPhase: number, toPhase: number): Promise<readonly WheelEntry[]>;

  /** The rows that read or push there. For a path too long for an index, also rows of paths with the same beginning. */
  byPlace(vault: string, query: PlaceQuery, page?: PageOptions): Promise<Page<PlaceEntry>>;

  /** The rows that refer to this or wait for it; never too few, but after a crash perhaps some that no longer do. */
  byReference(ref: Ref, page?: PageOptions): Promise<Page<SyncKey>>;

  /** Every sync and clean-up row of a cluster. */
  byCluster(cluster: string): Promise<readonly RowSummary[]>;

  /** Rows with domain events unsent since before `before`, oldest first. */
  unsent(before: EpochMs, limit: number): Promise<readonly Unsent[]>;

  /** Removes these sent events from the row, whether it is claimed or not. */
  clearUnsent(key: SyncKey, ids: readonly string[]): Promise<void>;
}

/** Domain events of one row that no sink has accepted. */
export interface Unsent {
  readonly key: SyncKey;
  readonly events: readonly DomainEvent[];
}

/** A row on a wheel, with the phase of its slot in whole seconds. */
export interface WheelEntry {
  readonly key: SyncKey;
  readonly group: string;
  readonly lane: WheelLane;
  readonly phase: number;
}

/** Until when ticks have dispatched the slots of each wheel, and when a Vault's rows are swept. */
export interface DispatchStore {
  /** Undefined before the first tick. */
  dispatchedUntil(lane: WheelLane): Promise<EpochMs | undefined>;
  /** Sets it if it is unchanged since the read: false when another tick was first (lease-table 13). */
  moveDispatched(lane: WheelLane, from: EpochMs | undefined, to: EpochMs): Promise<boolean>;
  /** When the latest sweep of a Vault's rows was or will be started. Undefined: there was none. */
  sweepAt(vault: string): Promise<EpochMs | undefined>;
  /** Sets it if it is unchanged since the read: false when another process was first. */
  moveSweep(vault: string, from: EpochMs | undefined, to: EpochMs): Promise<boolean>;
}

/**
 * How to reach Vaults (address, headers, CA), by digest: rows with issues name them, so that a clean-up survives the
 * end of its VaultConnection.
 */
export interface TargetStore {
  /** Stores it if it is absent, and that this row uses it. Call before the row records the issue. */
  putTarget(target: Json, by: SyncKey): Promise<string>;
  target(digest: string): Promise<Json | undefined>;
  /** The digests of all: by them, `byReference` finds every row with issues. */
  targets(): Promise<readonly string[]>;
  /** Removes targets that no row has used for at least `TARGET_KEPT_MS`; returns their number. */
  sweepTargets(now: EpochMs): Promise<number>;
}

/** How long an unused target is kept, in ms. */
export const TARGET_KEPT_MS = 3_600_000;

/** References have their own rows, cached by version (lease-table 23). */
export interface ReferenceStore {
  references(
    keys: readonly ReferenceKey[],
    consistency: "strong" | "eventual",
  ): Promise<ReadonlyMap<ReferenceKey, Reference>>;
  /** False when the same (uid, hash) is already stored: nothing is written. */
  putReference(reference: Reference): Promise<boolean>;
  /** False when it was absent. */
  removeReference(key: ReferenceKey): Promise<boolean>;
  referencesOf(cluster: string): Promise<readonly Reference[]>;
}

/** The lease table. One contract and one suite for both implementations. */
export interface LeaseStore
  extends SyncStore,
    DispatchStore,
    ReferenceStore,
    ClusterStore,
    HubStore,
    CircuitStore,
    TargetStore {
  /** Operations since the start, by name: tests count the writes. */
  counts(): Readonly<Record<string, number>>;
}
