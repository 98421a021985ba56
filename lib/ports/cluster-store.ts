import type { EpochMs } from "../clock.ts";
import type { RowError } from "./rows.ts";

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
