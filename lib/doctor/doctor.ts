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

async function examineInTime(doctor: Doctor, settings: FleetCluster, signal: AbortSignal): Promise<readonly Finding[]> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(CLUSTER_MS)]);
  try {
    return await examineCluster(doctor, settings, bounded);
  } catch (error) {
    if (!(error instanceof SyncError) && !bounded.aborted) throw error;
    const what = error instanceof SyncError ? error.message : "it took too long";
    const about = { cluster: settings.name, where: `cluster ${settings.name}`, what };
    return [
      finding("CLUSTER_NOT_CHECKED", { ...about, remedy: advice("Mend what the message says, and run doctor again.") }),
    ];
  }
}

async function examineCluster(
  doctor: Doctor,
  settings: FleetCluster,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const examined: Examined = { deps: doctor, settings, signal };
  const { findings, reached } = await reachCluster(examined);
  if (reached === undefined) return findings;
  try {
    const first = await runChecks(AFTER_LOGIN, reached);
    const { missing, unasked } = await missingRights(reached, readingRights(settings));
    const work = await declaredWork({ ...doctor.discovery, kinds: KINDS }, settings, signal);
    const later = await missingRights(reached, declaredRights(settings, work));
    const all = [...missing, ...later.missing];
    const surveyed: Surveyed = { ...reached, work, missingRights: all };
    const second = await runChecks(AFTER_DECLARATIONS, surveyed);
    const rights = [...(await rightFindings(reached, all)), ...notAsked(settings.name, unasked + later.unasked)];
    return [...findings, ...first, ...rights, ...unread(surveyed), ...second];
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
