import { circuitOfCluster } from "../circuits.ts";
import { described } from "../described.ts";
import type { Destination, Effect } from "../destinations/destination.ts";
import { type Digest, digestOf } from "../digest.ts";
import { SyncError } from "../errors.ts";
import { partsOf, type SyncKey } from "../keys.ts";
import type { Located, Resolved, SyncKind } from "../kinds/kind.ts";
import { originOf } from "../origins/origin-of.ts";
import type { Claim } from "../ports/claim.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { type Pushed, pushPlace, type Row } from "../ports/rows.ts";
import type { SecretApi } from "../ports/secrets.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { pathTaken } from "../reconcile/claim.ts";
import { clear } from "../reconcile/clear.ts";
import { converge } from "../reconcile/converge.ts";
import type { CoreDeps } from "../reconcile/deps.ts";
import { holderOf, takenUnderOtherName, unclaimed, underPresentNames } from "../reconcile/present-names.ts";
import { sourcesFor } from "../reconcile/push-inputs.ts";
import { type SourceReader, sourceReader } from "../reconcile/source.ts";
import { isBeingDeleted, shouldRelease } from "../reconcile/standing.ts";
import { type ReferenceReader, referenceReader, withReferences } from "../references/references.ts";
import { owedRollout } from "../rollout/owed-rollout.ts";
import type { SecretData } from "../secret-value.ts";
import { type PlanOutages, planOutages } from "./plan-outages.ts";
import { mayIssue, type PushDeps, pushesOf } from "./plan-pushes.ts";
import { classify, classifyUnforeseen, type Planned } from "./planned.ts";
import { simulatedClaim } from "./simulated-claim.ts";
import { type SimulatedSecrets, simulatedSecrets } from "./simulated-secrets.ts";

/** The dependencies of a plan. None of them writes to a Vault or cluster. */
export interface PlanDeps
  extends PushDeps,
    Pick<
      CoreDeps,
      "kinds" | "leases" | "vault" | "resources" | "clusters" | "templates" | "digestKey" | "random" | "log"
    > {
  readonly secrets: Pick<SecretApi, "observe" | "ownedNames">;
}

/** Plans syncs that may share Vault reads. */
export interface Planner {
  plan(rows: readonly Row[], settings: ClusterSettings, signal: AbortSignal): Promise<readonly Planned[]>;
}

export function planner(deps: PlanDeps): Planner {
  const outages = planOutages(deps, deps.ca);
  const planOne = async (row: Row, settings: ClusterSettings, batch: PlanBatch): Promise<Planned> => {
    const asked: Asked = {};
    try {
      const named = underPresentNames(row, settings.vaults);
      return await planRow(deps, { row: named, settings, ...batch, outages, asked });
    } catch (error) {
      return failedPlan(row, await outages.classify(error, asked.target, batch.signal));
    }
  };
  return {
    plan(rows, settings, signal) {
      const batch = {
        references: referenceReader(deps.leases, "strong"),
        // A plan expects nothing, and so waits for nothing.
        sources: sourceReader({ ...deps, sleep: async () => undefined }, deps.ca),
        signal: AbortSignal.any([signal]),
      };
      return Promise.all(rows.map((row) => planOne(row, settings, batch)));
    },
  };
}

interface PlanBatch {
  readonly references: ReferenceReader;
  readonly sources: SourceReader;
  readonly signal: AbortSignal;
}

/** For one plan: its Vault, once known. */
interface Asked {
  target?: VaultTarget;
}

interface Planning extends PlanBatch {
  readonly row: Row;
  readonly settings: ClusterSettings;
  readonly outages: PlanOutages;
  readonly asked: Asked;
}

const NOTHING = { removes: [], restarts: [] };

async function planRow(deps: PlanDeps, planning: Planning): Promise<Planned> {
  const { row, settings, references, outages, asked } = planning;
  if (shouldRelease(row))
    return { key: row.key, action: "none", because: "handed over: keyferry leaves it alone", ...NOTHING };
  const kind = deps.kinds.of(partsOf(row.key).kind);
  if (isBeingDeleted(row)) return planCleanUp(deps, kind, planning);
  if (kind === undefined) throw new Error(`no kind of that name: ${row.key}`);
  const { outcome } = await withReferences(references, (reference) =>
    kind.resolve({ declared: row.declared, cluster: settings, reference }),
  );
  if (outcome instanceof SyncError) throw outcome;
  const outage = outages.among([circuitOfCluster(settings.name), outcome.asks?.circuit]);
  if (outage) throw outage;
  if (outcome.asks) asked.target = outcome.asks.identity.target;
  const located = await locatedIn(deps, kind, outcome, planning);
  return planSync(deps, kind, located.resolved, { ...planning, row: await claimedIn(deps, planning, located.paths) });
}

/** With the paths that it pushes to, if it is of such a kind. Throws their refusal. */
async function locatedIn(
  deps: PlanDeps,
  { locate }: SyncKind,
  resolved: Resolved,
  { row, settings, signal }: Planning,
): Promise<Located> {
  if (locate === undefined) return { resolved, paths: [] };
  const { writes, reached } = pushesOf(deps, signal);
  const found = await locate({ row, resolved, settings, writes, reached, signal });
  if ("refused" in found) throw found.refused;
  return found;
}

/** The row as a claim of these paths would leave it. Throws PATH_TAKEN. */
async function claimedIn({ leases }: PlanDeps, { row, settings }: Planning, paths: readonly Pushed[]): Promise<Row> {
  const news = unclaimed(row, paths);
  const elsewhere = await takenUnderOtherName(leases, row.key, news, settings.vaults);
  if (elsewhere !== undefined) throw pathTaken(elsewhere);
  for (const taken of news.map(pushPlace)) {
    const by = await holderOf(leases, row.key, taken);
    if (by !== undefined) throw pathTaken({ taken, by });
  }
  const { state } = row;
  return news.length === 0 ? row : { ...row, state: { ...state, pushed: [...(state.pushed ?? []), ...news] } };
}

function failedPlan({ key }: Row, error: unknown): Planned {
  if (!(error instanceof SyncError)) return bugPlan(key, error);
  return { key, action: "fail", because: `${error.code}: ${error.message}`, ...NOTHING, error };
}

/** A bug that one sync triggers must not stop the plans of the others. */
function bugPlan(key: SyncKey, error: unknown): Planned {
  const { error: name, at = "an unknown place" } = described(error);
  return { key, action: "fail", because: `a bug in keyferry (${name} ${at}): please report it`, ...NOTHING };
}

/** Simulates the run: the same kind, destination and decisions; writes are only noted. */
async function planSync(deps: PlanDeps, kind: SyncKind, resolved: Resolved, planning: Planning): Promise<Planned> {
  const { settings, sources, signal } = planning;
  // Observed in any case: a run would find out the same by its precondition.
  const row = { ...planning.row, verify: true };
  const name = resolved.destination.name;
  const { templates, clock, random, digestKey } = deps;
  const claim = simulatedClaim(row);
  const secrets = simulatedSecrets(deps.secrets);
  const apis = apisFor(deps, row, kind, secrets, signal);
  const obtained = await kind.foresee({
    ...{ row, resolved, settings, templates, clock, random, digestKey, signal },
    holding: kind.destination.holding(apis, { row, settings, resolved }),
    read: (read) => sources.read(read, signal),
    mayIssue: (read) => mayIssue(deps, row.key, read, signal),
    ...sourcesFor(deps, row, signal),
  });
  const isForeseen = typeof obtained !== "string";
  if (isForeseen && obtained.kind === "later")
    return { key: row.key, action: "none", because: obtained.because, ...NOTHING };
  const data: SecretData = isForeseen ? obtained.data : new Map();
  const digest = digestOf(digestKey, data);
  const about = { row, settings, resolved, data, digest };
  const destination = kind.destination.toWrite(apis, about);
  const effects: Effect[] = [];
  await converge(noting(destination, effects), claim, signal);
  const removes = secrets.removed();
  if (!isForeseen)
    return { key: row.key, secret: name, ...classifyUnforeseen(effects, obtained), removes, restarts: [] };
  const restarts = restartedBy(deps, claim, resolved, digest);
  return { key: row.key, secret: name, ...classify(effects, removes, restarts), removes, restarts };
}

function apisFor(deps: PlanDeps, row: Row, kind: SyncKind | undefined, secrets: SimulatedSecrets, signal: AbortSignal) {
  const { resources, clusters, digestKey, log } = deps;
  const pushes = pushesOf(deps, signal);
  return { secrets, resources, clusters, digestKey, log, origin: originOf(deps, row, kind?.ref), pushes };
}

/** The same destination, which notes the effect of each decision before it acts. */
function noting<S, D>(destination: Destination<S, D>, effects: Effect[]): Destination<S, D> {
  return {
    ...destination,
    act(decision, state, claim, signal) {
      const effect = destination.describe(decision, state);
      if (effect) effects.push(effect);
      return destination.act(decision, state, claim, signal);
    },
  };
}

/** The restarts owed after the run. The Secret's data before the write was recorded with the claim. */
function restartedBy(deps: PlanDeps, claim: Claim, { rolloutTargets }: Resolved, digest: Digest): readonly string[] {
  const { state } = claim.row;
  const about = { state, digest, key: deps.digestKey, targets: rolloutTargets };
  const owed = owedRollout({ ...about, isAskedFor: false, now: deps.clock() });
  return owed ? rolloutTargets.map((target) => `${target.kind}/${target.name}`) : [];
}

async function planCleanUp(
  deps: PlanDeps,
  kind: SyncKind | undefined,
  { row, settings, signal }: Planning,
): Promise<Planned> {
  const { key } = row;
  const secrets = simulatedSecrets(deps.secrets);
  const apis = { ...apisFor(deps, row, kind, secrets, signal), leases: deps.leases };
  const standing = await clear({ kind, settings, apis, claim: simulatedClaim(row) }, signal);
  if (standing === "declared" || standing === "waiting")
    return { key, action: "none", because: "its declaration still exists", ...NOTHING };
  if (standing === "releasing") {
    return {
      key,
      action: "none",
      because: "its declaration is deleted with --cascade=orphan: what it wrote stays",
      ...NOTHING,
    };
  }
  const removes = secrets.removed();
  if (removes.length > 0) return { key, action: "remove", because: "its declaration is gone", ...NOTHING, removes };
  const shared = secrets.left();
  const because = shared.length > 0 ? `${shared.join(", ")} stays with its other owners` : "so is what it wrote";
  return { key, action: "none", because: `its declaration is gone, and ${because}`, ...NOTHING };
}
