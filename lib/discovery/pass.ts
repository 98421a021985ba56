import { SyncError } from "../errors.ts";
import type { CircuitOpener } from "../outage/circuit.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterRow, ClusterState, MacKeySeen, OperatorSeen } from "../ports/store.ts";
import type { DiscoveryDeps } from "./deps.ts";

export interface WatchPassOptions {
  /** How long to watch, in s. 0: one pass without a watch. */
  readonly seconds: number;
  /** When the next pass is due after a successful one. */
  readonly againMs: number;
  /**
   * Whether to check that the cluster's revision is not behind our cursors: a restored etcd sends no event (lease-table
   * 20).
   */
  readonly probeRevision: boolean;
  readonly acceptMissing: boolean;
  /** For how long other processes may work with the settings of before; default: 0. */
  readonly settingsLagMs?: number;
  /**
   * The signal ends this pass because its time is over, so that the next one is cut off at the same place: this is a
   * failure. Default: the signal is a stop, which says nothing of the cluster.
   */
  readonly hasTimeLimit?: boolean;
  /** Called when all declarations are processed and the watch begins. */
  readonly onListed?: () => void;
  /** Waits, and resolves early when the signal aborts. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** The immutable input of every stage of a watch pass. */
export interface Pass {
  readonly deps: DiscoveryDeps;
  readonly circuits: CircuitOpener;
  readonly settings: ClusterSettings;
  /** The claimed row of the cluster. */
  readonly row: ClusterRow & { readonly leaseUntil: number };
  readonly options: WatchPassOptions;
  readonly signal: AbortSignal;
}

/** What is known after a stage. `state` exists from the start: that of the claimed row. */
export interface Facts {
  /** The state that the watch pass stores at its end, even if it fails. */
  readonly state: ClusterState;
  /** uid of kube-system. */
  readonly uid: string;
  /** The current operator namespace. */
  readonly operator: OperatorSeen;
  /** The installation id in the cluster's mark; undefined without a mark. */
  readonly installation: string | undefined;
  /** Whether no other controller holds its lease. */
  readonly isAlone: boolean;
  /** The starting point of the watches, stored when all have caught up. */
  readonly start: ClusterState;
  /** A MAC key that was created and stored, before its syncs were nudged. */
  readonly newMacKey: MacKeySeen | undefined;
  /** A failure of one kind, for the cluster's row. It does not stop other kinds. */
  readonly error: SyncError | undefined;
  /** Why a stage failed although its state can be stored. */
  readonly failure: SyncError | undefined;
}

/** A part of a watch pass: the facts that it needs, and those that it adds. */
export interface Stage<In extends keyof Facts, Out extends keyof Facts> {
  readonly name: string;
  readonly run: (pass: Pass, known: Pick<Facts, In>) => Promise<Pick<Facts, Out>>;
}

/** Any stage: it may need every fact, and add none. */
type AnyStage = Stage<keyof Facts, never>;

/** The list itself, if each stage needs only initial facts or those of earlier stages. */
type InOrder<List, Known> = List extends readonly [Stage<infer In, infer Out>, ...infer Rest]
  ? [In] extends [Known]
    ? readonly [List[0], ...InOrder<Rest, Known | Out>]
    : readonly [{ readonly unknownByNow: Exclude<In, Known> }]
  : readonly [];

/** Accepts a list of stages only if it compiles: every stage must find its facts. */
export function inOrder<List extends readonly AnyStage[]>(...list: List & InOrder<List, "state">): readonly AnyStage[] {
  return list;
}

/** The result of running the stages. */
export interface Run {
  readonly state: ClusterState;
  readonly error?: SyncError | undefined;
  /** The failure that ended the watch pass, and its stage. */
  readonly failed?: { readonly stage: string; readonly error: SyncError };
}

/** Runs the stages in order. The first failure ends the pass; the facts so far are kept. */
export async function runStages(pass: Pass, list: readonly AnyStage[]): Promise<Run> {
  let known: Pick<Facts, "state"> & Partial<Facts> = { state: pass.row.state };
  for (const stage of list) {
    try {
      // `inOrder` ensures that all facts of this stage exist.
      known = { ...known, ...(await stage.run(pass, known as Facts)) };
    } catch (error) {
      if (!(error instanceof SyncError)) throw error;
      known = { ...known, failure: error };
    }
    if (known.failure) return { ...known, failed: { stage: stage.name, error: known.failure } };
  }
  return known;
}
