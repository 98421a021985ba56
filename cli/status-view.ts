import { circuitOfCluster, placeOfSuspension, suspensionOf } from "../lib/circuits.ts";
import { type EpochMs, SECOND_MS } from "../lib/clock.ts";
import { outOfSightSince } from "../lib/discovery/out-of-sight.ts";
import { isCleanupKey, partsOf } from "../lib/keys.ts";
import type { Row } from "../lib/ports/rows.ts";
import type { Circuit, ClusterRow, RowSummary } from "../lib/ports/store.ts";
import { operatorWarning } from "../lib/references/operator-namespace.ts";
import type { OwedRestarts } from "../lib/rollout/owed.ts";
import { nextSlot } from "../lib/schedule/wheel.ts";
import { worksBesideVso } from "../lib/vso/stand-back/vso.ts";

/** The state of one sync, for people and scripts. */
export interface SyncView {
  readonly key: string;
  readonly state:
    | ("synced" | "restart-owed" | "restart-failed")
    | ("pending" | "working" | "waiting" | "failed" | "parked" | "cleaning-up" | "retained");
  /** When the destination was last known to be in step under a lease. */
  readonly syncedAt?: string;
  readonly nextAt?: string;
  /** It left the fleet: until when what it has in Vault is renewed, before it is ended. */
  readonly retainedUntil?: string;
  readonly attempts: number;
  readonly error?: { readonly code: string; readonly message: string; readonly since: string };
  /** Workloads that still run with old data and must be restarted; `attempts`: consecutive failed tries. */
  readonly rollout?: RolloutView;
}

/** A row that left the fleet: nothing of it waits for a cluster any more. */
export function retainedView(row: Row, now: EpochMs): SyncView {
  const { retainUntil } = row.state;
  const view = syncView(summaryOf(row), { cluster: undefined, circuits: [] }, now, undefined);
  if (retainUntil === undefined) return view;
  return { ...view, state: now < retainUntil ? "retained" : "cleaning-up", retainedUntil: iso(retainUntil) };
}

/** A row as lists have it. */
export function summaryOf({ key, declared, state, leaseUntil, dueAt, wheel }: Row): RowSummary {
  const { uid, hash, generation } = declared;
  return {
    ...state,
    ...{ key, uid, hash, generation },
    ...(leaseUntil === undefined ? {} : { leaseUntil }),
    ...(dueAt === undefined ? {} : { dueAt }),
    ...(wheel === undefined ? {} : { wheel }),
  };
}

export interface RolloutView {
  readonly since: string;
  readonly at: string;
  readonly attempts: number;
  readonly message?: string;
}

export interface ClusterView {
  readonly name: string;
  readonly state: "ok" | "failed" | "awaiting-approval" | "suspended" | "unseen";
  readonly error?: { readonly code: string; readonly message: string; readonly since: string };
  readonly awaitingApproval?: { readonly gone: number; readonly of: number; readonly since: string };
  /** Problems that don't prevent work on the cluster. */
  readonly warnings?: readonly string[];
  /** Since when the cluster can't be read: the state of its syncs is as old. */
  readonly outOfSight?: string;
}

/** The last instant of a Date: a row with a later time must not break the whole list. */
const LAST_MS = 8.64e15;

function iso(at: EpochMs): string {
  return new Date(Math.max(0, Math.min(at, LAST_MS))).toISOString();
}

/** What is known about the cluster of a sync. */
export interface Surroundings {
  readonly cluster: ClusterRow | undefined;
  readonly circuits: readonly Circuit[];
}

/** The open circuit that a sync waits for. */
export function waitsFor(
  row: Pick<RowSummary, "key" | "waitsFor">,
  { cluster: known, circuits }: Surroundings,
): Circuit | undefined {
  // A clean-up does not use Vault.
  const vault = isCleanupKey(row.key) ? undefined : row.waitsFor;
  const { cluster, namespace } = partsOf(row.key);
  const others = worksBesideVso(known?.state ?? {}, namespace)
    ? []
    : [suspensionOf(cluster), suspensionOf(cluster, namespace)];
  return circuits.find(({ id }) => id === vault || id === circuitOfCluster(cluster) || others.includes(id));
}

function stateOf(
  row: RowSummary,
  open: Circuit | undefined,
  owed: OwedRestarts | undefined,
  now: EpochMs,
): SyncView["state"] {
  if (open) return "waiting";
  if (isCleanupKey(row.key)) return "cleaning-up";
  if (row.error) return row.dueAt === undefined ? "parked" : "failed";
  if (row.leaseUntil !== undefined && row.leaseUntil > now) return "working";
  if (row.syncedAt === undefined) return "pending";
  if (owed) return owed.attempts > 0 ? "restart-failed" : "restart-owed";
  return "synced";
}

function nextOf(row: RowSummary, open: Circuit | undefined, now: EpochMs): EpochMs | undefined {
  if (open) return open.probeAt;
  const slot = row.wheel && nextSlot(row.wheel, now);
  const times = [slot, row.dueAt].filter((at) => at !== undefined);
  return times.length > 0 ? Math.min(...times) : undefined;
}

function rolloutView({ since, at, attempts, message }: OwedRestarts): RolloutView {
  return { since: iso(since), at: iso(at), attempts, ...(message === undefined ? {} : { message }) };
}

/** `owed`: the restarts that this sync owes. */
export function syncView(
  row: RowSummary,
  around: Surroundings,
  now: EpochMs,
  owed: OwedRestarts | undefined,
): SyncView {
  const open = waitsFor(row, around);
  const next = nextOf(row, open, now);
  const error = open ?? row.error;
  return {
    key: row.key,
    state: stateOf(row, open, owed, now),
    ...(row.syncedAt === undefined ? {} : { syncedAt: iso(row.syncedAt) }),
    ...(next === undefined ? {} : { nextAt: iso(next) }),
    attempts: row.attempts,
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message, since: iso(error.since) } }),
    ...(owed === undefined ? {} : { rollout: rolloutView(owed) }),
  };
}

/**
 * A failed restart counts as a failure, because its workloads run with old data. One that is only owed comes within a
 * minute.
 */
export function hasFailed({ error, rollout }: Pick<SyncView, "error" | "rollout">): boolean {
  return error !== undefined || (rollout !== undefined && rollout.attempts > 0);
}

/** An open circuit takes precedence over the last watch pass: a watch on a silent cluster notices nothing. */
export function clusterView(name: string, row: ClusterRow | undefined, circuits: readonly Circuit[]): ClusterView {
  const open = circuits.find(({ id }) => id === circuitOfCluster(name));
  const vso = circuits.find(({ id }) => id === suspensionOf(name));
  const error = open ?? row?.state.error ?? vso;
  const awaitingApproval = row?.state.awaitingApproval;
  const warnings = warningsOf(name, row, circuits);
  const outOfSight = outOfSightSince(name, row, circuits);
  return {
    name,
    state: error
      ? error === vso
        ? "suspended"
        : "failed"
      : awaitingApproval
        ? "awaiting-approval"
        : row
          ? "ok"
          : "unseen",
    ...(error ? { error: { code: error.code, message: error.message, since: iso(error.since) } } : {}),
    ...(awaitingApproval
      ? {
          awaitingApproval: {
            gone: awaitingApproval.gone,
            of: awaitingApproval.of,
            since: iso(awaitingApproval.since),
          },
        }
      : {}),
    ...(warnings.length > 0 ? { warnings } : {}),
    ...(outOfSight === undefined ? {} : { outOfSight: iso(outOfSight) }),
  };
}

function warningsOf(name: string, row: ClusterRow | undefined, circuits: readonly Circuit[]): readonly string[] {
  const operator = row?.state.operator && operatorWarning(name, row.state.operator);
  const places = circuits.map(({ id }) => placeOfSuspension(id)).filter((place) => place?.cluster === name);
  const namespaces = places.map((place) => place?.namespace).filter((namespace) => namespace !== undefined);
  const sameAs = row?.state.sameAs;
  return [
    ...(operator === undefined ? [] : [operator]),
    ...(sameAs === undefined
      ? []
      : [
          `it now has the same uid of kube-system as cluster ${sameAs}, and both are synced: if they are one cluster, remove one of both; if not, find out whether this one is a restored copy, or an imitation`,
        ]),
    ...namespaces.sort().map((namespace) => `keyferry suspends its work in namespace ${namespace}; see its syncs`),
  ];
}

/** A duration in kubectl's style: `42s`, `5m`, `3h`, `2d`. */
export function humanAge(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / SECOND_MS));
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
