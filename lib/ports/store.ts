import type { EpochMs } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";
import type { ReferenceKey, SyncKey } from "../keys.ts";
import type { Declared, Lane, OwnedSecret, Reference, RefreshSlot, Row, RowError, RowState } from "./rows.ts";

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
}

/** When a settled row is looked at again. A row is on the wheel or in the due index, not both (lease-table 10). */
export type Schedule =
  /** `dueAt` for a refresh slot that ticks had dispatched before the row joined the wheel (lease-table 14), and for restarts that are owed. */
  | { readonly kind: "wheel"; readonly slot: RefreshSlot; readonly dueAt?: EpochMs }
  | { readonly kind: "due"; readonly at: EpochMs }
  /** Until a new declaration, a changed reference or a nudge. */
  | { readonly kind: "parked" }
  /** Clean-up done: the row goes. */
  | { readonly kind: "gone" };

export interface Settlement {
  readonly state: RowState;
  readonly schedule: Schedule;
  readonly now: EpochMs;
}

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
   * owns nothing and nobody has claimed it. Undefined when nothing is left to do.
   */
  tombstone(key: SyncKey, uid: string, now: EpochMs): Promise<Due | undefined>;

  /** Forgets a row and leaves the world as it is: a cluster or namespace that left the fleet (lease-table 18). */
  release(key: SyncKey): Promise<void>;

  /**
   * Asks for work now: nudges + 1; dueAt = now, or 2 s after the last settle unless it is to be `atOnce`. Undefined when the row is
   * absent, or has become due a moment ago and is unclaimed (lease-table 9). While it is claimed dueAt stays, and settle leaves it due.
   */
  nudge(
    key: SyncKey,
    options: { readonly now: EpochMs; readonly verify: boolean; readonly atOnce?: boolean },
  ): Promise<Due | undefined>;

  /**
   * Takes the lease if the row still has the uid and fence that were read and nobody has claimed it: fence + 1 (never below
   * what was read), leaseUntil = dueAt = until (lease-table 1, 3). Answers the row as it stands after.
   */
  claim(row: Row, options: ClaimOptions): Promise<{ readonly lease: Lease; readonly row: Row } | undefined>;

  /** Ends a lease: state, schedule, no leaseUntil, verify cleared; conditional on fence and uid, and on nudges as seen. */
  settle(lease: Lease, settlement: Settlement): Promise<SettleOutcome>;

  /** Rows with `after < dueAt <= until`, oldest first, that nobody holds at `now`. */
  due(
    range: { readonly after: EpochMs; readonly until: EpochMs; readonly now: EpochMs },
    limit: number,
  ): Promise<readonly Due[]>;

  /** Wheel periods in use (an add-only set will do: lease-table 12). */
  periods(): Promise<readonly number[]>;

  /** Rows on the wheel with this period and `fromPhase <= phase <= toPhase`. */
  onWheel(period: number, fromPhase: number, toPhase: number): Promise<readonly WheelEntry[]>;

  /** Keys of the syncs that read this source (Vault, namespace, mount, path). */
  bySource(source: string): Promise<readonly SyncKey[]>;

  /** Every sync and clean-up row of a cluster. */
  byCluster(cluster: string): Promise<readonly RowSummary[]>;
}

export interface WheelEntry {
  readonly key: SyncKey;
  readonly group: string;
  readonly phase: number;
}

/** Up to when ticks have dispatched. */
export interface DispatchStore {
  /** Undefined before the first tick. */
  dispatchedUntil(): Promise<EpochMs | undefined>;
  /** Moves it, if it still is as it was read: false when another tick was first (lease-table 13). */
  moveDispatched(from: EpochMs | undefined, to: EpochMs): Promise<boolean>;
}

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

/** Where discovery stands with one cluster. */
export interface ClusterState {
  /** uid of its kube-system namespace: another one under the same name is another cluster (lease-table 18). */
  readonly uid?: string;
  /** Per cursor name (a kind, or a kind and namespace): where it stands. */
  readonly cursors: Readonly<Record<string, Cursor>>;
  /** How often its etcd was seen to go back; part of each declaration's version, so that every sync looks again (lease-table 20). */
  readonly restores?: number;
  /** Fingerprint of filters and selectors: a change clears the cursors (lease-table 21). */
  readonly filter?: string;
  readonly attempts: number;
  readonly error?: RowError;
  /** More declarations vanished in one watch pass than is believable: awaiting approval by a person (lease-table 18). */
  readonly awaitingApproval?: { readonly since: EpochMs; readonly gone: number; readonly of: number };
  /** As fleet.yaml said at the last watch pass: where keyferry works beside Vault Secrets Operator. */
  readonly besideVso?: readonly string[];
  /** By namespace: writes of a status by another controller, and how long it is believed to be at work there. */
  readonly vsoIn?: Readonly<Record<string, VsoSeen>>;
  /** Whether the operator namespace is there, and is the one that counts. */
  readonly operator?: OperatorSeen;
  /** What became of the key of Vault Secrets Operator's MACs. */
  readonly macKey?: MacKeySeen;
  /** How much the statuses of its resources tell, as the version that last looked counts it; missing: 0. */
  readonly told?: number;
  /** It can't be looked at, since then: what is known of its syncs is as old. */
  readonly outOfSight?: EpochMs;
  /** How many objects of it are stored at most, and bytes of them. */
  readonly kept?: { readonly rows: number; readonly bytes: number };
}

/** Vault Secrets Operator, as its writes show it (kubernetes-rules 24). */
export interface VsoSeen {
  /** What was written, and by which program. */
  readonly what: string;
  /** The declaration whose status it was. */
  readonly name: string;
  readonly at: EpochMs;
  readonly until: EpochMs;
  /** One write is a reason to look; a second one proves it. */
  readonly isProven: boolean;
}

/** The operator namespace of a cluster as watch passes found it. It has powers over the whole cluster only while `without` is missing. */
export interface OperatorSeen {
  readonly name: string;
  /** Its uid at the first watch pass; empty when it was not there, `?` when it was and its uid may not be read. */
  readonly first: string;
  /** uid of the ConfigMap keyferry-installation in it: while that one stands, so does the namespace. */
  readonly mark?: string;
  /** Why it has no powers: it is not there, it came after the first watch pass, or it is not the one that fleet.yaml names by uid. */
  readonly without?: "absent" | "later" | "other";
}

/** The key of Vault Secrets Operator's MACs in a cluster: looked for until it is found, made, or left alone for a reason. */
export interface MacKeySeen {
  readonly state: "found" | "made" | "left";
  readonly at: EpochMs;
  /** After it was made: the syncs that had no MAC were asked to work. */
  readonly isTold?: boolean;
}

export interface Cursor {
  readonly resourceVersion: string;
  /** When it last moved; an old one is listed again (lease-table 19). */
  readonly movedAt: EpochMs;
}

export interface ClusterRow {
  readonly name: string;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt: EpochMs;
  readonly state: ClusterState;
}

/** A watch pass over a cluster claims its row; every write names that fence (lease-table 21). */
export interface ClusterStore {
  cluster(name: string): Promise<ClusterRow | undefined>;
  clusters(): Promise<readonly ClusterRow[]>;
  /** Takes the row (made when missing) if nobody has claimed it: fence + 1, leaseUntil = dueAt = until. */
  claimCluster(
    name: string,
    options: { readonly now: EpochMs; readonly until: EpochMs },
  ): Promise<ClusterRow | undefined>;
  /** False when the fence moved. `until` prolongs the lease; without it the lease ends and `dueAt` says when to look again. */
  saveCluster(
    row: ClusterRow,
    state: ClusterState,
    then: { readonly until: EpochMs } | { readonly dueAt: EpochMs },
  ): Promise<boolean>;
  removeCluster(name: string): Promise<void>;
}

/** An end that is out of reach: one row stands for all its syncs (lease-table 16). */
export interface Circuit {
  /** `vault:<address>`, `cluster:<name>`, or, for a suspension, `vso:<cluster>` or `vso:<cluster>/<namespace>`. */
  readonly id: string;
  readonly code: ErrorCode;
  /** In words that are right for all who wait: of no one's path or connection. */
  readonly message: string;
  readonly since: EpochMs;
  readonly attempts: number;
  readonly fence: number;
  /** When the next probe is due; while a probe is claimed, when that claim ends. */
  readonly probeAt: EpochMs;
}

export interface CircuitStore {
  circuits(): Promise<readonly Circuit[]>;
  /** False when it was open already: an outage is written once. */
  openCircuit(circuit: Circuit): Promise<boolean>;
  /** The right to probe until `until`, given that the circuit is as it was read and due: fence + 1. */
  claimProbe(
    circuit: Circuit,
    options: { readonly now: EpochMs; readonly until: EpochMs },
  ): Promise<Circuit | undefined>;
  /** The probe failed: the next one is at `probeAt`. */
  keepOpen(
    claimed: Circuit,
    next: { readonly code: ErrorCode; readonly message: string; readonly attempts: number; readonly probeAt: EpochMs },
  ): Promise<boolean>;
  /** The probe succeeded: the row goes. */
  closeCircuit(claimed: Circuit): Promise<boolean>;
}

/** The lease table. One contract, one suite, an implementation for each engine. */
export interface LeaseStore extends SyncStore, DispatchStore, ReferenceStore, ClusterStore, CircuitStore {
  /** What it was asked since the start, by operation: writes are counted in tests. */
  counts(): Readonly<Record<string, number>>;
}
