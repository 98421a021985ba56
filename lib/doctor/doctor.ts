import { SECOND_MS } from "../clock.ts";
import type { DiscoveryDeps } from "../discovery/deps.ts";
import { SyncError } from "../errors.ts";
import type { FleetCluster } from "../fleet/fleet.ts";
import { KINDS } from "../kinds/registry.ts";
import { parallel } from "../util/parallel.ts";
import { AFTER_DECLARATIONS, AFTER_LOGIN } from "./checks.ts";
import { reachCluster } from "./cluster/reach.ts";
import { missingRights, rightFindings } from "./cluster/rights.ts";
import type { Check, DoctorDeps, Examined, Reached, Surveyed } from "./context.ts";
import { declaredWork } from "./declared-work.ts";
import { bySeverity, type Finding, finding } from "./finding.ts";
import { advice } from "./remedies.ts";
import { declaredRights, readingRights } from "./rights.ts";

/** For each check of a cluster. */
const CHECK_MS = 30 * SECOND_MS;
/** For all checks of a cluster, whatever happens there. */
const CLUSTER_MS = 120 * SECOND_MS;

export interface Doctor extends DoctorDeps {
  /** Reads declarations into `leases`. */
  readonly discovery: DiscoveryDeps;
  /** Told of each cluster when it is done. */
  readonly onDone: (cluster: string, findings: readonly Finding[]) => void;
}

/** Examines clusters, some at a time. A dead one delays no other, and costs at most its time-out. */
export async function examineFleet(
  doctor: Doctor,
  clusters: readonly FleetCluster[],
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const found = await parallel(clusters, async (settings) => {
    const findings = bySeverity(await examineInTime(doctor, settings, signal));
    doctor.onDone(settings.name, findings);
    return findings;
  });
  return found.flat();
}

/** What was found before an end that came too early counts. */
async function examineInTime(doctor: Doctor, settings: FleetCluster, signal: AbortSignal): Promise<readonly Finding[]> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_MS)]);
  const found: Finding[] = [];
  try {
    await examineCluster({ deps: doctor, settings, signal: bounded }, doctor.discovery, found);
  } catch (error) {
    if (!(error instanceof SyncError) && !bounded.aborted) throw error;
    const what = error instanceof SyncError ? error.message : "it took too long";
    const about = { cluster: settings.name, where: `cluster ${settings.name}`, what };
    const remedy = advice("Mend what the message says, and run doctor again.");
    found.push(finding("CLUSTER_NOT_CHECKED", { ...about, remedy }));
  }
  return found;
}

async function examineCluster(examined: Examined, discovery: DiscoveryDeps, found: Finding[]): Promise<void> {
  const { settings, signal } = examined;
  const { findings, reached } = await reachCluster(examined);
  found.push(...findings);
  if (reached === undefined) return;
  try {
    found.push(...(await runChecks(AFTER_LOGIN, reached)));
    const reading = await missingRights(reached, readingRights(settings));
    const work = await declaredWork({ ...discovery, kinds: KINDS }, settings, signal);
    const declared = await missingRights(reached, declaredRights(settings, work));
    const surveyed: Surveyed = { ...reached, work, missingRights: [...reading.missing, ...declared.missing] };
    found.push(...(await rightFindings(reached, surveyed.missingRights)));
    found.push(...notAsked(settings.name, reading.unasked + declared.unasked), ...unread(surveyed));
    found.push(...(await runChecks(AFTER_DECLARATIONS, surveyed)));
  } finally {
    reached.connection.close();
  }
}

function notAsked(cluster: string, count: number): readonly Finding[] {
  if (count === 0) return [];
  const what = `${count} rights in single namespaces were not checked, because there are too many`;
  return [finding("RIGHTS_NOT_CHECKED", { cluster, where: `cluster ${cluster}`, what })];
}

/** Failures that checks of their own find. */
const FOUND_ELSEWHERE = new Set(["KUBE_DENIED", "KUBE_REJECTED", "OTHER_CONTROLLER"]);

function unread({ settings, work, missingRights: missing }: Surveyed): readonly Finding[] {
  const where = `declarations of cluster ${settings.name}`;
  return work.errors
    .filter(({ code }) => !FOUND_ELSEWHERE.has(code) || (code === "KUBE_DENIED" && missing.length === 0))
    .map((error) => finding("CHECK_FAILED", { cluster: settings.name, where, what: error.message }));
}

/** All at once, each within its time. A failed one does not hide the others. */
async function runChecks<C extends Reached>(checks: readonly Check<C>[], context: C): Promise<readonly Finding[]> {
  const found = await Promise.all(
    checks.map(async ({ subject, find }) => {
      const signal = AbortSignal.any([context.signal, AbortSignal.timeout(CHECK_MS)]);
      try {
        return await find({ ...context, signal });
      } catch (error) {
        if (!(error instanceof SyncError) && !signal.aborted) throw error;
        const what = error instanceof SyncError ? error.message : "it took too long";
        return [finding("CHECK_FAILED", { cluster: context.settings.name, where: subject, what })];
      }
    }),
  );
  return found.flat();
}
