import type { EpochMs } from "../clock.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";
import type { Json } from "../util/json.ts";
import type { CircuitStore } from "./circuit-store.ts";
import type { ClusterStore } from "./cluster-store.ts";
import type {
  Declared,
  DomainEvent,
  Expected,
  Lane,
  OwnedSecret,
  Place,
  Pushed,
  Ref,
  Reference,
  RefreshSlot,
  Row,
  RowError,
  RowState,
  WheelLane,
} from "./rows.ts";

export type * from "./circuit-store.ts";
export type * from "./cluster-store.ts";

/** A key whose time has come, or comes at `at`. Indexes project this and nothing more (lease-table 17). */
export interface Due {
  readonly key: SyncKey;
  readonly group: string;
  readonly lane: Lane;
  readonly at: EpochMs;
}

/** Our right to work on one sync until `until`. Every write that follows names its fence and uid. */
export interface Lease {
  readonly key: SyncKey;
  readonly uid: string;
  readonly fence: number;
  readonly until: EpochMs;
  /** Nudges as they stood in the row that was read before the first Vault read (lease-table 2). */
  readonly nudges: number;
  /** The state as the claim left it: settle writes those index entries alone that differ from it. */
  readonly state: RowState;
  /** As the claim found it. */
  readonly expect?: Expected;
}

/** When a settled row is looked at again. A row is on the refresh wheel or in the due index, not both (lease-table 10). */
export type Schedule =
  /** `dueAt` for a refresh slot that ticks had dispatched before the row joined the wheel (lease-table 14), and for restarts that are owed. */
  | { readonly kind: "wheel"; readonly slot: RefreshSlot; readonly dueAt?: EpochMs }
  | { readonly kind: "due"; readonly at: EpochMs }
  /** Until a new declaration, a changed reference or a nudge. */
  | { readonly kind: "parked" }
  /** Clean-up done: the row goes. Not with issues, which only their end removes (lease-table 28). */
  | { readonly kind: "gone" };

export interface Settlement {
  readonly state: RowState;
  readonly schedule: Schedule;
  /** The row's turn on the renew wheel from now on. Missing: as it stood, so that no failure takes a row off it (lease-table 10). */
  readonly renew?: RefreshSlot | "off";
  /** The version that was read: what nudges expected is dropped once it was reached, or after 30 s (lease-table 30). */
  readonly reached?: number;
  readonly now: EpochMs;
}

/** How long a nudge's expectation is kept in a row that is settled without having reached it, in ms. */
export const EXPECTED_MS = 30_000;

/** `nudged`: stored, but someone asked for more meanwhile, so the row is due now. `lost`: the fence or uid moved, nothing was stored. */
export type SettleOutcome = "settled" | "nudged" | "lost";

/** What a list of a cluster's syncs shows of each: keys, version, references and how it stands. */
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
  /** Of its declaration, where the store knows that without reading it. */
  readonly bytes?: number;
}

export interface ClaimOptions {
  readonly now: EpochMs;
  readonly until: EpochMs;
  /** Destination names that are about to be written, recorded with the claim (lease-table 8). */
  readonly owned?: readonly OwnedSecret[];
}

export interface Claimed {
  readonly lease: Lease;
  /** As it stands after the claim. */
  readonly row: Row;
}

export interface ClaimPushOptions extends ClaimOptions {
  /** Paths that are about to be written. What is recorded of them already stays (lease-table 31). */
  readonly pushed: readonly Pushed[];
}

/** Another row pushes to this path: the claim wrote nothing. */
export interface PathTaken {
  readonly taken: Place;
  readonly by: SyncKey;
}

export interface NudgeOptions {
  readonly now: EpochMs;
  /** Someone saw a difference: look at the destination before deciding. */
  readonly verify: boolean;
  /** Now, however short ago the row was settled. */
  readonly atOnce?: boolean;
  /** The version that was seen; the row keeps the highest one. `forget`: versions begin anew, so that what was expected is dropped. */
  readonly expect?: { readonly version: number } | "forget";
}

/** A part of a long answer. `next` is where the next part begins; missing: this was the last one. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string;
}

export interface PageOptions {
  /** `next` of the page before. */
  readonly after?: string;
  /** At most so many; 1,000 when missing. A page may have fewer, and none, before the last one. */
  readonly limit?: number;
}

export interface PlaceEntry {
  readonly key: SyncKey;
  readonly path: string;
  readonly role: Place["role"];
}

/** Paths are compared by segment: the prefix `a/b` has `a/b` and `a/b/c`, and not `a/bc`. An empty prefix is the whole Vault. */
export type PlaceQuery = { readonly path: string } | { readonly prefix: string };

/** Rows of syncs and of their clean-ups. Each method is one atomic step; each update demands that the row exists (lease-table 4). */
export interface SyncStore {
  read(keys: readonly SyncKey[], consistency: "strong" | "eventual"): Promise<ReadonlyMap<SyncKey, Row>>;

  /**
   * Writes a declaration: a new row (fence = now), or a changed one (nudges + 1, due now; a claimed row keeps its dueAt).
   * Another uid under the same key tombstones the old row first. The same (uid, hash) writes nothing and answers undefined.
   */
  declare(declared: Declared, now: EpochMs): Promise<Due | undefined>;

  /**
   * The declaration with this uid is gone: its row becomes the clean-up row `key#uid`, due now, or goes at once if it
   * owns nothing (no Secret, no issue, no pushed path) and nobody has claimed it. A clean-up that is there already is merged into it,
   * and loses nothing. It leaves the wheels and all indexes but those of its cluster and of its targets; a pushed path stays claimed
   * by it. Undefined when nothing is left to do.
   */
  tombstone(key: SyncKey, uid: string, now: EpochMs): Promise<Due | undefined>;

  /**
   * Forgets a row and leaves the world as it is: a cluster or namespace that left the fleet (lease-table 18). A row with issues
   * can't be forgotten: that is a bug and throws (lease-table 28).
   */
  release(key: SyncKey): Promise<void>;

  /**
   * A cluster, a namespace or a declaration leaves us, and the world stays as it is. A row with issues becomes the clean-up `key#uid`
   * with `retainUntil`: it keeps its issues and its turn on the renew wheel, lets go of Secrets, pushed paths, its place, its cluster and all
   * references but targets, and is due at `until`. A clean-up keeps its key, and goes on as before. A row without issues is released.
   */
  retire(key: SyncKey, until: EpochMs, now: EpochMs): Promise<Due | undefined>;

  /** Rows that were retired and have not ended, of all clusters. */
  retired(): Promise<readonly RowSummary[]>;

  /**
   * Asks for work now: nudges + 1; dueAt = now, or 2 s after the last settle unless it is to be `atOnce`. While it is claimed dueAt stays,
   * and settle leaves it due. Nothing is written when the row will be worked on anyway, from its beginning: it is due by then and
   * unclaimed, or claimed and nudged since; only the wish to look and a higher expected version are kept even so
   * (lease-table 9, 30). Undefined then, unless the row has waited for long; and when it is absent.
   */
  nudge(key: SyncKey, options: NudgeOptions): Promise<Due | undefined>;

  /** The same for many keys, each once: read in batches, written a bounded number at a time. */
  nudgeAll(keys: Iterable<SyncKey>, options: NudgeOptions): Promise<readonly Due[]>;

  /**
   * Takes the lease if the row still has the uid and fence that were read and nobody has claimed it: fence + 1 (never below
   * what was read), leaseUntil = dueAt = until (lease-table 1, 3).
   */
  claim(row: Row, options: ClaimOptions): Promise<Claimed | undefined>;

  /** The same with paths that no other row may push to from then on, until a settle without them, or the row's end. */
  claimPush(row: Row, options: ClaimPushOptions): Promise<Claimed | PathTaken | undefined>;

  /**
   * Stores what was done so far, before and after each request that can't be repeated (lease-table 26): one item, one write. Lease, times,
   * nudges, wheels and declaration stay as they are; so do references, waits and place, which only settle changes. `lost`: another
   * fence or uid, or the lease has ended; nothing was stored.
   */
  record(lease: Lease, state: RowState, now: EpochMs): Promise<"recorded" | "lost">;

  /**
   * Ends a lease: state, schedule, no leaseUntil, verify cleared; conditional on fence and uid, and on nudges as seen. References, place and
   * pushed paths are found by what the state says from then on.
   */
  settle(lease: Lease, settlement: Settlement): Promise<SettleOutcome>;

  /** Rows with `after < dueAt <= until`, oldest first, that nobody holds at `now`. */
  due(
    range: { readonly after: EpochMs; readonly until: EpochMs; readonly now: EpochMs },
    limit: number,
  ): Promise<readonly Due[]>;

  /** Periods of a wheel that are in use (an add-only set will do: lease-table 12). */
  periods(lane: WheelLane): Promise<readonly number[]>;

  /** Rows on a wheel with this period and `fromPhase <= phase <= toPhase`. */
  onWheel(lane: WheelLane, period: number, fromPhase: number, toPhase: number): Promise<readonly WheelEntry[]>;

  /** The rows that read or push there. A path too long for an index may bring others along that begin like it. */
  byPlace(vault: string, query: PlaceQuery, page?: PageOptions): Promise<Page<PlaceEntry>>;

  /** The rows that refer to this, or wait for it; never too few, and after a crash perhaps some that did so before. */
  byReference(ref: Ref, page?: PageOptions): Promise<Page<SyncKey>>;

  /** Every sync and clean-up row of a cluster. */
  byCluster(cluster: string): Promise<readonly RowSummary[]>;

  /** Rows whose domain events have stood unsent since before `before`, oldest first. */
  unsent(before: EpochMs, limit: number): Promise<readonly Unsent[]>;

  /** These events were sent: the row forgets them, whoever holds it. */
  clearUnsent(key: SyncKey, ids: readonly string[]): Promise<void>;
}

export interface Unsent {
  readonly key: SyncKey;
  readonly events: readonly DomainEvent[];
}

export interface WheelEntry {
  readonly key: SyncKey;
  readonly group: string;
  readonly lane: WheelLane;
  readonly phase: number;
}

/** Up to when ticks have dispatched the slots of each wheel. */
export interface DispatchStore {
  /** Undefined before the first tick. */
  dispatchedUntil(lane: WheelLane): Promise<EpochMs | undefined>;
  /** Moves it, if it still is as it was read: false when another tick was first (lease-table 13). */
  moveDispatched(lane: WheelLane, from: EpochMs | undefined, to: EpochMs): Promise<boolean>;
}

/**
 * How Vaults are reached (address, headers, CA), by digest: rows with issues name them, so that a clean-up outlives its
 * VaultConnection.
 */
export interface TargetStore {
  /** Stores it when it is absent, and that this row names it. Before the row records the issue. */
  putTarget(target: Json, by: SyncKey): Promise<string>;
  target(digest: string): Promise<Json | undefined>;
  /** Removes those that no row has named for at least `TARGET_KEPT_MS`; answers how many went. */
  sweepTargets(now: EpochMs): Promise<number>;
}

/** A target that no row names is kept for so long, in ms. */
export const TARGET_KEPT_MS = 3_600_000;

/** References are rows of their own, cached by version (lease-table 23). */
export interface ReferenceStore {
  references(
    keys: readonly ReferenceKey[],
    consistency: "strong" | "eventual",
  ): Promise<ReadonlyMap<ReferenceKey, Reference>>;
  /** False when the same (uid, hash) was stored already: nothing is written. */
  putReference(reference: Reference): Promise<boolean>;
  /** False when it was absent. */
  removeReference(key: ReferenceKey): Promise<boolean>;
  referencesOf(cluster: string): Promise<readonly Reference[]>;
}

/** The lease table. One contract, one suite, an implementation for each engine. */
export interface LeaseStore extends SyncStore, DispatchStore, ReferenceStore, ClusterStore, CircuitStore, TargetStore {
  /** What it was asked since the start, by operation: writes are counted in tests. */
  counts(): Readonly<Record<string, number>>;
}
