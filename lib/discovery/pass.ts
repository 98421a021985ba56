import { SyncError } from "../errors.ts";
import type { CircuitOpener } from "../outage/circuit.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterRow, ClusterState, MacKeySeen, OperatorSeen } from "../ports/store.ts";
import type { DiscoveryDeps } from "./deps.ts";

export interface WatchPassOptions {
  /** How long to stay and watch, in s. 0: one watch pass, then done. */
  readonly seconds: number;
  /** When to look again after a watch pass that ended well. */
  readonly againMs: number;
  /** Ask whether the cluster's revision is behind our cursors: a restored etcd is silent (lease-table 20). */
  readonly probeRevision: boolean;
  readonly acceptMissing: boolean;
  /** Everything that the cluster declares was taken in; from here on it is watched. */
  readonly onListed?: () => void;
  /** Waits, and resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** What every stage of one watch pass gets. Nothing in it changes. */
export interface Pass {
  readonly deps: DiscoveryDeps;
  readonly circuits: CircuitOpener;
  readonly settings: ClusterSettings;
  /** The cluster's row as it was claimed. */
  readonly row: ClusterRow & { readonly leaseUntil: number };
  readonly options: WatchPassOptions;
  readonly signal: AbortSignal;
}

/** What is known after a stage. `state` is there from the beginning: the row as it was claimed. */
export interface Facts {
  /** The cluster's row as it is stored at the end of the watch pass, even of one that fails. */
  readonly state: ClusterState;
  /** uid of kube-system. */
  readonly uid: string;
  /** The operator namespace as it is now. */
  readonly operator: OperatorSeen;
  /** The id of the installation that the cluster is marked with; undefined when it has no mark. */
  readonly installation: string | undefined;
  /** No other controller holds its lease. */
  readonly isAlone: boolean;
  /** What the watches start from: stored once they have seen everything. */
  readonly start: ClusterState;
  /** A key of MACs was made and stored, and its syncs have not been asked to use it yet. */
  readonly newMacKey: MacKeySeen | undefined;
  /** What one kind met. It is told on the row, and keeps nothing else back. */
  readonly error: SyncError | undefined;
  /** Why a stage could not be finished although it has a state to store. */
  readonly failure: SyncError | undefined;
}

/** A part of a watch pass: the facts that it needs, and those that it finds out. */
export interface Stage<In extends keyof Facts, Out extends keyof Facts> {
  readonly name: string;
  readonly run: (pass: Pass, known: Pick<Facts, In>) => Promise<Pick<Facts, Out>>;
}

/** Any stage: it may need every fact, and may find out none. */
type AnyStage = Stage<keyof Facts, never>;

/** The list itself, if each stage needs only what is known from the start or what a stage before it finds out. */
type InOrder<List, Known> = List extends readonly [Stage<infer In, infer Out>, ...infer Rest]
  ? [In] extends [Known]
    ? readonly [List[0], ...InOrder<Rest, Known | Out>]
    : readonly [{ readonly unknownByNow: Exclude<In, Known> }]
  : readonly [];

/** A list of stages that compiles only if every stage finds what it needs. */
export function inOrder<List extends readonly AnyStage[]>(...list: List & InOrder<List, "state">): readonly AnyStage[] {
  return list;
}

/** How far the stages came. */
export interface Run {
  readonly state: ClusterState;
  readonly error?: SyncError | undefined;
  /** What ended the watch pass, and in which stage. */
  readonly failed?: { readonly stage: string; readonly error: SyncError };
}

/** Runs the stages one after the other. The first failure ends it; what was found out until then is kept. */
export async function runStages(pass: Pass, list: readonly AnyStage[]): Promise<Run> {
  let known: Pick<Facts, "state"> & Partial<Facts> = { state: pass.row.state };
  for (const stage of list) {
    try {
      // `inOrder` has checked that all that this stage reads is there.
      known = { ...known, ...(await stage.run(pass, known as Facts)) };
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      known = { ...known, failure: error };
    }
    if (known.failure) return { ...known, failed: { stage: stage.name, error: known.failure } };
  }
  return known;
}
