import type { EpochMs } from "../clock.ts";
import type { RowError } from "./rows.ts";

/** The state of discovery for one cluster. */
export interface ClusterState {
  /** uid of its kube-system namespace: another uid under the same name is another cluster (lease-table 18). */
  readonly uid?: string;
  /** The cluster that had this uid before this one's uid changed to it: it may be an imitation or a copy of that one. */
  readonly sameAs?: string;
  /** Per cursor name (a kind, or a kind and namespace). */
  readonly cursors: Readonly<Record<string, Cursor>>;
  /**
   * How often its etcd went back; part of each declaration's version, so that every sync runs again (lease-table 20).
   */
  readonly restores?: number;
  /** Fingerprint of filters and selectors: a change clears the cursors (lease-table 21). */
  readonly filter?: string;
  readonly attempts: number;
  readonly error?: RowError;
  /** Too many declarations vanished in one watch pass: they await approval by a person (lease-table 18). */
  readonly awaitingApproval?: {
    readonly since: EpochMs;
    /** How many wait, of how many that have a row. */
    readonly gone: number;
    readonly of: number;
    /** How many of those that vanished with them were removed before they were found; missing: none. */
    readonly removed?: number;
  };
  /**
   * Since when each list can't be read, by its cursor's name, for another reason than a refusal: while that is new,
   * nothing counts as missing (lease-table 18).
   */
  readonly unread?: Readonly<Record<string, EpochMs>>;
  /** Where keyferry works beside Vault Secrets Operator, by fleet.yaml at the last watch pass. */
  readonly besideVso?: readonly string[];
  /** By namespace: writes of a status by another controller, and until when it counts as at work there. */
  readonly vsoIn?: Readonly<Record<string, VsoSeen>>;
  /** Whether the operator namespace exists, and is the operator's. */
  readonly operator?: OperatorSeen;
  /** The state of the key of Vault Secrets Operator's MACs. */
  readonly macKey?: MacKeySeen;
  /** The version of the content of its resources' statuses (lib/discovery/untold.ts); missing: 0. */
  readonly told?: number;
  /** Since when it can't be read: the state of its syncs is as old. */
  readonly outOfSight?: EpochMs;
  /** Fingerprint of the settings of which all syncs were told; empty: of none; missing: it is not known. */
  readonly ranWith?: string;
  /** Until when other processes may run syncs with the settings of before; missing: such syncs have run again since. */
  readonly formerUntil?: EpochMs;
  /** Upper bounds of its stored objects and their bytes. */
  readonly kept?: { readonly rows: number; readonly bytes: number };
}

/** Vault Secrets Operator, known by its writes (kubernetes-rules 24). */
export interface VsoSeen {
  /** The written part, and the program. */
  readonly what: string;
  /** The declaration with that status. */
  readonly name: string;
  readonly at: EpochMs;
  readonly until: EpochMs;
  /** One write is a reason to check; a second one proves it. */
  readonly isProven: boolean;
}

/**
 * The operator namespace of a cluster, as watch passes find it. It has powers over the whole cluster only while
 * `without` is missing.
 */
export interface OperatorSeen {
  readonly name: string;
  /** Its uid at the first watch pass; empty when it did not exist, `?` when its uid may not be read. */
  readonly first: string;
  /** uid of the ConfigMap keyferry-installation in it: while that exists, so does the namespace. */
  readonly mark?: string;
  /**
   * Why it has no powers: it does not exist, was created after the first watch pass, or has another uid than in
   * fleet.yaml.
   */
  readonly without?: "absent" | "later" | "other";
}

/**
 * The key of Vault Secrets Operator's MACs in a cluster: searched until it is found, created, or omitted for a reason.
 */
export interface MacKeySeen {
  readonly state: "found" | "made" | "left";
  readonly at: EpochMs;
  /** After its creation: the syncs without a MAC were nudged. */
  readonly isTold?: boolean;
}

/** Where the next watch of a kind starts. */
export interface Cursor {
  readonly resourceVersion: string;
  /** When it last changed; an old one is listed again (lease-table 19). */
  readonly movedAt: EpochMs;
}

/** The row of one cluster: who has its watch pass, when the next one is due, and what passes have learned. */
export interface ClusterRow {
  readonly name: string;
  readonly fence: number;
  readonly leaseUntil?: EpochMs;
  readonly dueAt: EpochMs;
  readonly state: ClusterState;
}

/** A watch pass over a cluster claims its row; every write has that fence (lease-table 21). */
export interface ClusterStore {
  cluster(name: string): Promise<ClusterRow | undefined>;
  clusters(): Promise<readonly ClusterRow[]>;
  /** Claims the row (created when missing) unless it is claimed: fence + 1, leaseUntil = dueAt = until. */
  claimCluster(
    name: string,
    options: { readonly now: EpochMs; readonly until: EpochMs },
  ): Promise<ClusterRow | undefined>;
  /**
   * False when the fence changed. `until` extends the lease; without it the lease ends, and `dueAt` is the next watch
   * pass.
   */
  saveCluster(
    row: ClusterRow,
    state: ClusterState,
    then: { readonly until: EpochMs } | { readonly dueAt: EpochMs },
  ): Promise<boolean>;
  removeCluster(name: string): Promise<void>;
}
