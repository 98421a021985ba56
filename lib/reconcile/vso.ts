import { circuitOfVso } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { parseDuration } from "../duration.ts";
import { SyncError } from "../errors.ts";
import { partsOf } from "../keys.ts";
import { namespaceMatcher } from "../namespaces.ts";
import type { ReconcileDeps } from "./deps.ts";
import type { ClusterSettings, Row, SeenResource, VsoLease, VsoSeen } from "./ports.ts";

/** The operator's clock and ours may differ by so much. */
const CLOCK_SLACK_MS = 30 * SECOND_MS;
/** Twice the time from one write of VSO's to its next, within these bounds: then its silence is believed. */
const SHORTEST_SILENCE_MS = MINUTE_MS;
const LONGEST_SILENCE_MS = 15 * MINUTE_MS;

/** Whether fleet.yaml says that keyferry works in this namespace whoever else does. */
export function worksBesideVso({ besideVso = [] }: Pick<ClusterSettings, "besideVso">, namespace: string): boolean {
  return besideVso.length > 0 && namespaceMatcher({ include: besideVso, exclude: [] })(namespace);
}

/** VSO writes the status of what it refreshes each time: such a write, newer than our last settle, shows that it works (kubernetes-rules 24). */
export function writeOfVso(row: Row | undefined, seen: SeenResource, now: EpochMs): VsoSeen | undefined {
  const { statusBy } = seen;
  const settledAt = row?.state.settledAt;
  if (!row || !statusBy || settledAt === undefined || statusBy.at <= settledAt) return undefined;
  const until = statusBy.at + silenceOf(seen);
  if (until <= now) return undefined;
  const { kind } = partsOf(row.key);
  const what = `the status of ${kind} ${seen.namespace}/${seen.name} was written by ${JSON.stringify(statusBy.manager)}`;
  return { what, at: statusBy.at, until };
}

function silenceOf({ spec }: SeenResource): number {
  const refreshAfterMs = typeof spec.refreshAfter === "string" ? (parseDuration(spec.refreshAfter) ?? 0) : 0;
  return Math.min(Math.max(2 * refreshAfterMs, SHORTEST_SILENCE_MS), LONGEST_SILENCE_MS);
}

/** What shows that VSO is at work now; undefined when nothing does. */
export function vsoAtWork(lease: VsoLease | undefined, written: VsoSeen | undefined, now: EpochMs): string | undefined {
  const isHeld = lease !== undefined && lease.holder !== "";
  // A lease that was given back ended then; one that was not is good until it runs out.
  const leaseEndsAt = lease === undefined ? 0 : lease.renewedAt + (isHeld ? lease.durationMs : 0);
  if (isHeld && now < leaseEndsAt + CLOCK_SLACK_MS) {
    return `${JSON.stringify(lease.holder)} holds the lease of its leader election`;
  }
  // Who wrote held the lease, and has let it go since.
  const isOver = written === undefined || written.until <= now || leaseEndsAt >= written.at;
  return isOver ? undefined : written.what;
}

/** Two controllers must not write to one Secret (kubernetes-rules 24). */
export function standsBack(cluster: string, what: string): SyncError {
  return new SyncError(
    "OTHER_CONTROLLER",
    `Vault Secrets Operator works in cluster ${cluster}: ${what}. keyferry stands back: scale the operator to zero, and ` +
      "keyferry takes over by itself, or name the namespaces in which both may work in besideVso in fleet.yaml",
    { circuit: circuitOfVso(cluster) },
  );
}

type Deps = Pick<ReconcileDeps, "clusters" | "leases" | "clock">;

/** One request; throws OTHER_CONTROLLER while VSO works in the cluster. */
export async function vsoMustBeGone(deps: Deps, settings: ClusterSettings, signal: AbortSignal): Promise<void> {
  const { name, operatorNamespace, besideVso = [] } = settings;
  if (besideVso.includes("*")) return;
  const lease = await deps.clusters.vsoLease(name, operatorNamespace, signal);
  const written = (await deps.leases.cluster(name))?.state.vso;
  const what = vsoAtWork(lease, written, deps.clock());
  if (what !== undefined) throw standsBack(name, what);
}
