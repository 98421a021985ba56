import { secretMac } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import { conditionList, isOwnCondition } from "../../origins/status.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import { readingWay } from "../../reading-way.ts";
import { sameJson } from "../../util/canonical.ts";
import type { JsonObject } from "../../util/json.ts";
import { parallel } from "../../util/parallel.ts";
import type { ClusterSurvey, HandOverDeps, SyncSurvey } from "./hand-over.ts";

/** A running engine may write the resource's status at the same time. */
const MAX_TRIES = 5;

export interface HandOverProgress {
  /** The key of VSO's MACs was created. */
  keyMade(cluster: string): void;
  done(sync: SyncSurvey): void;
}

/**
 * Writes everything that the survey found missing. Each step is one repeatable write, so that another run completes an
 * interrupted one. First marks all resources, so that engines stop; then completes their statuses.
 */
export async function handToVso(
  deps: HandOverDeps,
  survey: ClusterSurvey,
  randomKey: () => Buffer,
  progress: HandOverProgress,
  signal: AbortSignal,
): Promise<void> {
  const { settings } = survey.scope;
  const key = await keyOf(deps, survey, randomKey, progress, signal);
  await parallel(survey.syncs, async ({ ref, uid, change }) => {
    if (change) await deps.resources.change(ref, uid, change, signal);
  });
  await parallel(survey.syncs, async (sync) => {
    if (sync.needsMac || sync.hasOwnConditions) await completeStatus(deps, settings, sync, key, signal);
    progress.done(sync);
  });
}

/** The way back: removes the marks, so that engines resume. */
export async function handToKeyferry(
  deps: Pick<HandOverDeps, "resources">,
  syncs: readonly SyncSurvey[],
  progress: HandOverProgress,
  signal: AbortSignal,
): Promise<void> {
  await parallel(syncs, async (sync) => {
    if (sync.change) await deps.resources.change(sync.ref, sync.uid, sync.change, signal);
    progress.done(sync);
  });
}

async function keyOf(
  deps: HandOverDeps,
  { scope, hmacKey }: ClusterSurvey,
  randomKey: () => Buffer,
  progress: HandOverProgress,
  signal: AbortSignal,
): Promise<Buffer> {
  if (hmacKey.kind === "found") return hmacKey.key;
  const { name, operatorNamespace } = scope.settings;
  await deps.secrets.createHmacKey(name, operatorNamespace, randomKey(), signal);
  // Another program may have created it first: the stored key is used.
  const found = await deps.secrets.findHmacKey(name, operatorNamespace, signal);
  if (found.kind === "found") {
    progress.keyMade(name);
    return found.key;
  }
  throw new SyncError(
    "KUBE_ANSWER_INVALID",
    `the key of VSO's MACs in cluster ${name} can't be read after its creation`,
  );
}

/** A status as VSO would have left it: with its MAC, and without conditions that it would never change. */
async function completeStatus(
  deps: HandOverDeps,
  settings: ClusterSettings,
  sync: SyncSurvey,
  key: Buffer,
  signal: AbortSignal,
): Promise<void> {
  const { ref, uid } = sync;
  for (let tries = 1; ; tries++) {
    const seen = await deps.resources.get(ref, signal);
    if (!seen || seen.uid !== uid) return;
    const missing = { ...(await macOf(deps, settings, sync, key, signal)), ...foreignConditions(seen.status) };
    if (sameJson({ ...seen.status, ...missing }, seen.status)) return;
    try {
      await deps.resources.writeStatus(ref, missing, seen.resourceVersion, signal);
      return;
    } catch (error) {
      const isMoved = error instanceof SyncError && error.code === "KUBE_CONFLICT";
      if (!isMoved || tries === MAX_TRIES) throw error;
    }
  }
}

/** The MAC of the Secret's current data (kubernetes-rules 22). */
async function macOf(
  { secrets }: HandOverDeps,
  settings: ClusterSettings,
  { secret, needsMac }: SyncSurvey,
  key: Buffer,
  signal: AbortSignal,
): Promise<JsonObject> {
  if (!needsMac || secret === undefined) return {};
  const there = await secrets.observe(secret, readingWay(settings.observe), signal);
  return there ? { secretMAC: secretMac(key, there.data) } : {};
}

function foreignConditions(status: JsonObject): JsonObject {
  const all = conditionList(status);
  const foreign = all.filter((condition) => !isOwnCondition(condition));
  return foreign.length === all.length ? {} : { conditions: foreign };
}
