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

/** The operator's clock and ours may differ by so much: what is dated later is not believed. */
const CLOCK_SLACK_MS = 30 * SECOND_MS;
/** Twice the time from one write of VSO's to its next, within these bounds: then its silence is believed. */
const SHORTEST_SILENCE_MS = MINUTE_MS;
const LONGEST_SILENCE_MS = 15 * MINUTE_MS;
/** A lease of more than that, or dated further ahead, says nothing of whether its holder is alive. */
const LONGEST_LEASE_MS = 5 * MINUTE_MS;

/** The lease of VSO's leader election, by name. */
export const VSO_LEASE = "b0d477c0.hashicorp.com";

/** Whether fleet.yaml says that keyferry works in this namespace whoever else does. */
export function worksBesideVso({ besideVso = [] }: Pick<ClusterSettings, "besideVso">, namespace: string): boolean {
  return besideVso.length > 0 && namespaceMatcher({ include: besideVso, exclude: [] })(namespace);
}

/** The write of a status by someone else that an object shows, if it is new enough to say something of now. */
export function recentWrite(
  { statusBy, spec }: SeenResource,
  now: EpochMs,
): { at: EpochMs; until: EpochMs } | undefined {
  if (!statusBy || statusBy.at > now + CLOCK_SLACK_MS) return undefined;
  const until = Math.min(statusBy.at, now) + silenceOf(spec);
  return until > now ? { at: statusBy.at, until } : undefined;
}

/**
 * VSO writes the status of what it refreshes each time. Such a write, newer than our last settle, is a reason to find out
 * whether it works there, and no proof: whoever may edit a declaration can write all of it (kubernetes-rules 24).
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

/** Names that could be someone's own words are not repeated. */
function programOf(manager: string): string {
  return /^[\w.:/@-]{1,64}$/.test(manager) ? JSON.stringify(manager) : "another program";
}

function silenceOf(spec: SeenResource["spec"]): number {
  const refreshAfterMs = typeof spec.refreshAfter === "string" ? (parseDuration(spec.refreshAfter) ?? 0) : 0;
  return Math.min(Math.max(2 * refreshAfterMs, SHORTEST_SILENCE_MS), LONGEST_SILENCE_MS);
}

/** Whether this is another write than the one that was seen first. */
export function isSecond(first: VsoSeen, write: VsoSeen): boolean {
  return write.name !== first.name || write.at > first.at;
}

/** Until when a lease is good: one that was given back ended then. Undefined when it can't be true. */
function endOf(lease: VsoLease | undefined, now: EpochMs): EpochMs | undefined {
  if (lease === undefined || lease.renewedAt > now + LONGEST_LEASE_MS) return undefined;
  const lasts = lease.holder === "" ? 0 : Math.min(Math.max(lease.durationMs, 0), LONGEST_LEASE_MS);
  return Math.min(lease.renewedAt, now) + lasts;
}

/** What shows that VSO is at work now, in the whole cluster; undefined when nothing does. */
export function vsoAtWork(lease: VsoLease | undefined, now: EpochMs): string | undefined {
  const end = endOf(lease, now);
  if (!lease?.holder || end === undefined || now >= end + CLOCK_SLACK_MS) return undefined;
  return `${JSON.stringify(lease.holder)} holds the lease of its leader election`;
}

/** Who wrote at that time held the lease, and has let it go since. */
export function hasLetGo(lease: VsoLease | undefined, at: EpochMs, now: EpochMs): boolean {
  return (endOf(lease, now) ?? 0) >= at && vsoAtWork(lease, now) === undefined;
}

/** What was seen to be written in a namespace, while it says something of now. Ends that were stored are believed so far. */
export function writtenIn({ vsoIn = {} }: Pick<ClusterState, "vsoIn">, namespace: string, now: EpochMs) {
  const seen = Object.hasOwn(vsoIn, namespace) ? vsoIn[namespace] : undefined;
  return seen && seen.until > now && seen.until <= now + LONGEST_SILENCE_MS + CLOCK_SLACK_MS ? seen : undefined;
}

const REMEDY =
  "keyferry suspends its work: scale the operator to zero, and keyferry takes over by itself, or name the namespaces in which both may work in besideVso in fleet.yaml";

/** Two controllers must not write to one Secret (kubernetes-rules 24). */
export function suspended({ name, operatorNamespace }: ClusterSettings, what: string): SyncError {
  return new SyncError(
    "OTHER_CONTROLLER",
    `Vault Secrets Operator works in cluster ${name}: ${what} (Lease ${operatorNamespace}/${VSO_LEASE}). ${REMEDY}`,
    { circuit: suspensionOf(name) },
  );
}

/** The same for one namespace: who may write there speaks for no other. */
export function suspendedIn({ name }: ClusterSettings, namespace: string, what: string): SyncError {
  return new SyncError(
    "OTHER_CONTROLLER",
    `Vault Secrets Operator, or another program, works in namespace ${namespace} of cluster ${name}: ${what}, and not for the first time. ${REMEDY}`,
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

/** The probe of these circuits: of a namespace, the table knows what was seen there. */
export async function vsoProbe(
  deps: Deps,
  settings: ClusterSettings,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<void> {
  const state = (await deps.leases.cluster(settings.name))?.state ?? {};
  if (namespace === undefined) return vsoMustBeGone(deps, settings, state, signal);
  if (worksBesideVso(settings, namespace)) return;
  const seen = writtenIn(state, namespace, deps.clock());
  if (seen?.isProven) throw suspendedIn(settings, namespace, seen.what);
}
