import { SyncError } from "../errors.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterState } from "../ports/store.ts";
import { mustBeOurs, observeOperator } from "../references/operator-namespace.ts";
import { SECRET } from "../resource-kinds.ts";
import { suspensionsIn, vsoMustBeGone } from "../vso/stand-back/vso.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { driftWatch } from "./drift.ts";
import type { Progress } from "./list-and-watch.ts";
import { operatorGuard } from "./operator-guard.ts";
import type { WatchPassOptions } from "./pass.ts";
import { isPushTarget } from "./push-targets.ts";
import { rowBudget } from "./row-budget.ts";
import { startingPoint } from "./starting-point.ts";
import { missingRows } from "./tombstone-missing.ts";
import type { VsoWatch } from "./vso-watch.ts";
import { watchAll } from "./watch-all.ts";
import { watchTargets } from "./watch-targets.ts";

/** What prevents work on a cluster or on one of its kinds. */
export interface Surveyed {
  readonly errors: readonly SyncError[];
  readonly awaitingApproval?: NonNullable<ClusterState["awaitingApproval"]>;
}

/**
 * Stores all declarations of a cluster as a watch pass does, without Secrets, which a plan reads one by one. Another
 * controller is reported, but does not stop it.
 */
export async function survey(deps: DiscoveryDeps, settings: ClusterSettings, signal: AbortSignal): Promise<Surveyed> {
  const errors: SyncError[] = [];
  const report = (error: unknown): void => {
    if (!(error instanceof SyncError)) throw error;
    errors.push(error);
  };
  try {
    const uid = await deps.clusters.identity(settings.name, signal);
    const state = (await deps.leases.cluster(settings.name))?.state ?? { cursors: {}, attempts: 0 };
    const budget = rowBudget(deps, settings.name, state.kept);
    const { seen: operator, installation } = await observeOperator(
      deps,
      settings,
      state.uid === uid ? state.operator : undefined,
      { mark: false },
      signal,
    );
    try {
      mustBeOurs(deps, settings, installation);
    } catch (error) {
      report(error);
    }
    await vsoMustBeGone(deps, settings, { operator }, signal).catch(report);
    for (const suspension of suspensionsIn(settings, state, deps.clock())) report(suspension);
    const { restores } = await startingPoint(deps, settings, state, { uid, operator }, OPTIONS, signal);
    const missing = missingRows(deps, settings.name, { isApproved: false, before: state.awaitingApproval });
    const [drift, guard] = [driftWatch(deps, settings.name), operatorGuard(deps, settings, operator)];
    const parts = { drift, vso: NO_WATCH, budget, guard, missing };
    const targets = watchTargets(deps, settings, parts, OPTIONS, restores);
    const progressOf = new Map<string, Progress>();
    const onProgress = (name: string, progress: Progress) => void progressOf.set(name, progress);
    const declared = targets.filter(({ kind, name }) => kind !== SECRET || isPushTarget(name));
    const input = { cursors: {}, unread: state.unread ?? {}, budget, missing, onProgress };
    await watchAll(deps, settings, declared, input, OPTIONS, signal);
    const awaitingApproval = missing.awaiting();
    const problems = [...[...progressOf.values()].map(({ error }) => error), missing.problem()];
    const leftOut = budget.problem();
    return {
      errors: [...errors, ...eachOnce(problems), ...(leftOut === undefined ? [] : [leftOut])],
      ...(awaitingApproval === undefined ? {} : { awaitingApproval }),
    };
  } catch (error) {
    report(error);
    return { errors };
  }
}

/** Only watch passes report statuses written by others. */
const NO_WATCH: VsoWatch = { see: async () => undefined, latest: () => ({}) };

/** One list of everything, without a watch. */
const OPTIONS: WatchPassOptions = {
  ...{ seconds: 0, againMs: 0, probeRevision: true, acceptMissing: false },
  sleep: async () => undefined,
};

/** An unreachable cluster is reported once, not for each kind. */
function eachOnce(problems: readonly (SyncError | undefined)[]): readonly SyncError[] {
  const errors = problems.filter((error) => error !== undefined);
  return [...new Map(errors.map((error) => [`${error.code} ${error.message}`, error])).values()];
}
