import { randomBytes } from "node:crypto";
import { destination } from "pino";
import { systemClock } from "../lib/clock.ts";
import { InputError, SyncError } from "../lib/errors.ts";
import { folderFiles } from "../lib/fleet/files.ts";
import type { FleetCluster } from "../lib/fleet/fleet.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import type { ComposedFleet } from "../lib/hubs/compose.ts";
import { simulatedSqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { jsonLog } from "../lib/telemetry/log.ts";
import { parallel } from "../lib/util/parallel.ts";
import {
  type ClusterSurvey,
  type HandOverDeps,
  type HandOverScope,
  type SyncSurvey,
  surveyForKeyferry,
  surveyForVso,
} from "../lib/vso/handover/hand-over.ts";
import { type HandOverProgress, handToKeyferry, handToVso } from "../lib/vso/handover/hand-over-act.ts";
import { type ClusterReport, complained, lacks, leftOf, nowhereFound, people, reportOf } from "./handover-report.ts";
import { type HubGaps, hasGaps, hubGaps, NO_GAPS } from "./hub-gaps.ts";
import { namedClusters } from "./named-clusters.ts";
import { print, printJson, say } from "./output.ts";
import { reachedFleet } from "./reached-fleet.ts";

/** The length of VSO's key. */
const KEY_BYTES = 16;
/** How many syncs one line of progress stands for. */
const PROGRESS_STEP = 100;

export interface HandoverFlags {
  readonly fleet: string;
  readonly to: "vso" | "keyferry";
  readonly cluster: readonly string[];
  readonly namespace: readonly string[];
  readonly force: boolean;
  readonly dryRun: boolean;
  readonly output: "table" | "json";
}

/**
 * Hands clusters over to Vault Secrets Operator, without work left for it, or takes them back; exits with 1 when that
 * is not possible.
 */
export async function handoverCommand(flags: HandoverFlags): Promise<number> {
  const { fleet: own, folder } = await readFleet(flags.fleet);
  const log = jsonLog("error", destination({ fd: 2, sync: true }));
  // Only for the clusters of hubs: what is handed over is in the clusters themselves.
  await using leases = simulatedSqliteStore(undefined);
  const { apis, fleet, close } = await reachedFleet(
    { own, files: folderFiles(folder), leases, log, mayExec: true },
    new AbortController().signal,
  );
  const deps = { ...apis, clock: systemClock };
  try {
    const within = chosen(fleet, flags.cluster);
    const reports = await handOver(deps, within, flags);
    if (flags.output === "json") printJson(answer(flags, within, reports));
    else print(people(reports, within.hubs));
    return reports.some(complained) || hasGaps(within.hubs) ? 1 : 0;
  } finally {
    await close();
  }
}

function answer({ to, dryRun }: HandoverFlags, { hubs }: Chosen, clusters: readonly ClusterReport[]): object {
  return { to, dryRun, hubs, clusters };
}

/** The clusters to hand over, and where others may be missing. */
interface Chosen {
  readonly clusters: readonly FleetCluster[];
  readonly hubs: HubGaps;
}

function chosen(fleet: ComposedFleet, names: readonly string[]): Chosen {
  const clusters = namedClusters(fleet, names, "--cluster");
  return { clusters, hubs: names.length === 0 ? hubGaps(fleet) : NO_GAPS };
}

/**
 * Checks everything before any change: a single complaint prevents all changes, and so does a hub that may have clusters
 * which are missing here: a person would start VSO in them, though nothing was handed over there.
 */
async function handOver(
  deps: HandOverDeps,
  { clusters, hubs }: Chosen,
  flags: HandoverFlags,
): Promise<readonly ClusterReport[]> {
  const signal = new AbortController().signal;
  const scopes = clusters.map((settings) => ({ settings, namespaces: flags.namespace, force: flags.force }));
  const survey = (scope: HandOverScope) => (flags.to === "vso" ? surveyForVso : surveyForKeyferry)(deps, scope, signal);
  const seen = await parallel(scopes, (scope) => orComplaint(scope, survey));
  const looked = seen.map((one) => reportOf(one, "looked"));
  for (const { name, syncs } of looked) say(`${name}: ${syncs.length} declarations checked`);
  if (hasGaps(hubs)) return looked;
  const nowhere = nowhereFound(seen, flags.namespace);
  if (nowhere.length > 0) throw new InputError("--namespace", nowhere.map(noSuchNamespace));
  if (flags.dryRun || looked.some(complained)) return looked;
  const reports: ClusterReport[] = [];
  for (const before of seen) {
    await applyDecision(deps, before, flags, signal);
    // A run of the engine that was still going on may have changed it again.
    const after = await orComplaint(before.scope, survey);
    reports.push(reportOf(flags.to === "vso" ? lacks(after) : leftOf(before, after), "done"));
  }
  return reports;
}

function noSuchNamespace(name: string): string {
  return `no cluster has declarations in namespace ${name}, or fleet.yaml leaves it out: nothing was changed`;
}

async function applyDecision(
  deps: HandOverDeps,
  survey: ClusterSurvey,
  { to }: HandoverFlags,
  signal: AbortSignal,
): Promise<void> {
  const { name } = survey.scope.settings;
  const progress = progressOf(name, survey.syncs.length);
  if (to === "vso") await handToVso(deps, survey, () => randomBytes(KEY_BYTES), progress, signal);
  else await handToKeyferry(deps, survey.syncs, progress, signal);
}

function progressOf(cluster: string, of: number): HandOverProgress {
  let done = 0;
  return {
    keyMade: () => say(`${cluster}: created the HMAC key of VSO`),
    done: (_sync: SyncSurvey) => {
      done += 1;
      if (done === of || done % PROGRESS_STEP === 0) say(`${cluster}: ${done} of ${of} handed over`);
    },
  };
}

/** Reports a cluster that can't be read as a complaint. */
async function orComplaint(
  scope: HandOverScope,
  survey: (scope: HandOverScope) => Promise<ClusterSurvey>,
): Promise<ClusterSurvey> {
  try {
    return await survey(scope);
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    return {
      scope,
      hmacKey: { kind: "absent" },
      complaints: [`${error.code}: ${error.message}`],
      syncs: [],
      emptyNamespaces: [],
    };
  }
}
