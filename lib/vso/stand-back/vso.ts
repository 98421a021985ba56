import { suspensionOf } from "../../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../../clock.ts";
import { parseDuration } from "../../duration.ts";
import { SyncError } from "../../errors.ts";
import { partsOf } from "../../keys.ts";
import { namespaceMatcher } from "../../namespaces.ts";
import type { VsoLease } from "../../ports/clusters.ts";
import type { ReconcileDeps } from "../../ports/deps.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { SeenResource } from "../../ports/resources.ts";
import type { Row } from "../../ports/rows.ts";
import type { ClusterState, VsoSeen } from "../../ports/store.ts";
import { hasPowers } from "../../references/operator-namespace.ts";

/** The allowed difference between the operator's clock and ours: later times are ignored. */
const CLOCK_SLACK_MS = 30 * SECOND_MS;
/** VSO counts as stopped after twice the time between two of its writes, within these bounds. */
const SHORTEST_SILENCE_MS = MINUTE_MS;
const LONGEST_SILENCE_MS = 15 * MINUTE_MS;
/** A longer lease, or one dated further ahead, does not prove that its holder is alive. */
const LONGEST_LEASE_MS = 5 * MINUTE_MS;

/** The name of VSO's leader election lease. */
export const VSO_LEASE = "b0d477c0.hashicorp.com";

/** Whether fleet.yaml lets keyferry work in this namespace beside any other controller. */
export function worksBesideVso({ besideVso = [] }: Pick<ClusterSettings, "besideVso">, namespace: string): boolean {
  return besideVso.length > 0 && namespaceMatcher({ include: besideVso, exclude: [] })(namespace);
}

/** Another program's write of an object's status, if it is recent enough. */
export function recentWrite(
  { statusBy, spec }: SeenResource,
  now: EpochMs,
): { at: EpochMs; until: EpochMs } | undefined {
  if (!statusBy || statusBy.at > now + CLOCK_SLACK_MS) return undefined;
  const until = Math.min(statusBy.at, now) + silenceOf(spec);
  return until > now ? { at: statusBy.at, until } : undefined;
}

/**
 * VSO writes the status with each refresh. Such a write after our last settle is a reason to check whether VSO works
 * there, but no proof: anyone who may edit the declaration can forge it (kubernetes-rules 24).
 */
export function writeOfVso(row: Row | undefined, seen: SeenResource, now: EpochMs): VsoSeen | undefined {
  const write = recentWrite(seen, now);
  const settledAt = row?.state.settledAt;
  if (!row || !write || settledAt === undefined || write.at <= settledAt) return undefined;
  const { kind } = partsOf(row.key);
  const by = programOf(seen.statusBy?.manager ?? "");
  const what = `the status of ${kind} ${seen.namespace}/${seen.name} was written by ${by}`;
  return { what, name: `${kind}/${seen.name}`, ...write, isProven: false };
}

/** Names that may be arbitrary text are not repeated. */
function programOf(manager: string): string {
  return /^[\w.:/@-]{1,64}$/.test(manager) ? JSON.stringify(manager) : "another program";
}

function silenceOf(spec: SeenResource["spec"]): number {
  const refreshAfterMs = typeof spec.refreshAfter === "string" ? (parseDuration(spec.refreshAfter) ?? 0) : 0;
  return Math.min(Math.max(2 * refreshAfterMs, SHORTEST_SILENCE_MS), LONGEST_SILENCE_MS);
}

/** Whether this write differs from the first one. */
export function isSecond(first: VsoSeen, write: VsoSeen): boolean {
  return write.name !== first.name || write.at > first.at;
}

/** When a lease ends; a released one has ended. Undefined when it is implausible. */
function endOf(lease: VsoLease | undefined, now: EpochMs): EpochMs | undefined {
  if (lease === undefined || lease.renewedAt > now + LONGEST_LEASE_MS) return undefined;
  const lasts = lease.holder === "" ? 0 : Math.min(Math.max(lease.durationMs, 0), LONGEST_LEASE_MS);
  return Math.min(lease.renewedAt, now) + lasts;
}

/** Evidence that VSO works now in the whole cluster; undefined: none. */
export function vsoAtWork(lease: VsoLease | undefined, now: EpochMs): string | undefined {
  const end = endOf(lease, now);
  if (!lease?.holder || end === undefined || now >= end + CLOCK_SLACK_MS) return undefined;
  return `${JSON.stringify(lease.holder)} holds the lease of its leader election`;
}

/** Whether the writer held the lease at that time, and has released it since. */
export function hasLetGo(lease: VsoLease | undefined, at: EpochMs, now: EpochMs): boolean {
  return (endOf(lease, now) ?? 0) >= at && vsoAtWork(lease, now) === undefined;
}

/** The recent write in a namespace. Stored end times are used as they are. */
export function writtenIn({ vsoIn = {} }: Pick<ClusterState, "vsoIn">, namespace: string, now: EpochMs) {
  const seen = vsoIn[namespace];
  return seen && seen.until > now && seen.until <= now + LONGEST_SILENCE_MS + CLOCK_SLACK_MS ? seen : undefined;
}

const REMEDY =
  "keyferry suspends its work: scale the operator to zero, and keyferry takes over by itself, or list the namespaces in which both may work under besideVso in fleet.yaml";

/** Two controllers must not write to one Secret (kubernetes-rules 24). */
export function suspended({ name, operatorNamespace }: ClusterSettings, what: string): SyncError {
  return new SyncError(
    "OTHER_CONTROLLER",
    `Vault Secrets Operator works in cluster ${name}: ${what} (Lease ${operatorNamespace}/${VSO_LEASE}). ${REMEDY}`,
    { circuit: suspensionOf(name) },
  );
}

/** The same for one namespace: writers there can't affect others. */
export function suspendedIn({ name }: ClusterSettings, namespace: string, what: string): SyncError {
  return new SyncError(
    "OTHER_CONTROLLER",
    `Vault Secrets Operator, or another program, works in namespace ${namespace} of cluster ${name}: ${what}, repeatedly. ${REMEDY}`,
    { circuit: suspensionOf(name, namespace) },
  );
}

type Deps = Pick<ReconcileDeps, "clusters" | "leases" | "clock">;

/** One request; throws OTHER_CONTROLLER while VSO works in the cluster. */
export async function vsoMustBeGone(
  deps: Pick<Deps, "clusters" | "clock">,
  settings: ClusterSettings,
  { operator }: Pick<ClusterState, "operator">,
  signal: AbortSignal,
): Promise<void> {
  const { name, operatorNamespace, besideVso = [] } = settings;
  if (besideVso.includes("*") || !hasPowers(operator)) return;
  const lease = await deps.clusters.vsoLease(name, operatorNamespace, signal);
  const what = vsoAtWork(lease, deps.clock());
  if (what !== undefined) throw suspended(settings, what);
}

/** Probes these circuits; for a namespace, the lease table has the evidence. */
export async function vsoProbe(
  deps: Deps,
  settings: ClusterSettings,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const state = (await deps.leases.cluster(settings.name))?.state ?? {};
  if (namespace === undefined) return vsoMustBeGone(deps, settings, state, signal);
  const found = suspensionIn(settings, namespace, state, deps.clock());
  if (found !== undefined) throw found;
}

/** The suspensions of namespaces that the lease table has evidence for. */
export function suspensionsIn(settings: ClusterSettings, state: ClusterState, now: EpochMs): readonly SyncError[] {
  const namespaces = Object.keys(state.vsoIn ?? {});
  const found = namespaces.map((namespace) => suspensionIn(settings, namespace, state, now));
  return found.filter((error) => error !== undefined);
}

function suspensionIn(
  settings: ClusterSettings,
  namespace: string,
  state: Pick<ClusterState, "vsoIn">,
  now: EpochMs,
): SyncError | undefined {
  if (worksBesideVso(settings, namespace)) return undefined;
  const seen = writtenIn(state, namespace, now);
  return seen?.isProven ? suspendedIn(settings, namespace, seen.what) : undefined;
}
