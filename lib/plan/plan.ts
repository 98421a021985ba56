import { circuitOfCluster } from "../circuits.ts";
import { type ResolvedStaticSecret, resolveStaticSecret } from "../declarations/resolve.ts";
import { described } from "../described.ts";
import {
  besideOthers,
  type ObserveApis,
  observe,
  pruned,
  record,
  type Work,
} from "../destinations/kubernetes-secret/act.ts";
import type { Decision } from "../destinations/kubernetes-secret/decide.ts";
import { withStrays } from "../destinations/kubernetes-secret/strays.ts";
import { SyncError } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { NamedObject } from "../ports/objects.ts";
import type { Row } from "../ports/rows.ts";
import type { SeenSecret } from "../ports/secrets.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { deletionOf } from "../reconcile/clean-up.ts";
import { begin, OlderAnswer, untilDone } from "../reconcile/converge.ts";
import { shouldRelease } from "../reconcile/reconcile.ts";
import { type CaCache, type SourceReader, sourceReader } from "../reconcile/source.ts";
import { type ReferenceReader, referenceReader, withReferences } from "../references/references.ts";
import { owedRollout, unrecordedRollout } from "../rollout/rollout.ts";
import { changesOf, type SecretChanges } from "./plan-changes.ts";
import { type PlanOutages, planOutages } from "./plan-outages.ts";

/** Everything that a plan may ask. None of it writes to a Vault or a cluster. */
export interface PlanDeps extends ObserveApis, Pick<ReconcileDeps, "leases" | "vault" | "clock" | "templates" | "log"> {
  readonly secrets: Pick<ReconcileDeps["secrets"], "observe" | "ownedNames">;
  readonly ca: CaCache;
}

/**
 * - `none`: in step. `adopt`: in step too; a run records it, and leaves the Secret as it is.
 * - `create`, `update`, `take-over` (an update of what Vault Secrets Operator wrote), `recreate` (its type changes).
 * - `prune`: only Secrets under former names go. `remove`: the declaration is gone, and its Secrets go.
 * - `restart`: only workloads are restarted, which is owed since an earlier run.
 * - `release`: its cluster or namespace left fleet.yaml: its Secrets stay, and keyferry forgets it.
 */
export type PlannedAction =
  | "none"
  | "adopt"
  | "create"
  | "update"
  | "take-over"
  | "recreate"
  | "prune"
  | "remove"
  | "restart"
  | "release"
  | "fail";

/** What a run would do about one sync, and why: names and digests, never values. */
export interface Planned {
  readonly key: SyncKey;
  readonly action: PlannedAction;
  readonly because: string;
  readonly secret?: string;
  readonly changes?: SecretChanges;
  /** Names of the Secrets that go. */
  readonly removes: readonly string[];
  /** Workloads that are restarted, as `Deployment/app`. */
  readonly restarts: readonly string[];
  /** Names of the Secrets that stay, and are nobody's from then on. */
  readonly releases?: readonly string[];
  readonly error?: SyncError;
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
      return await planRow(deps, row, settings, { ...batch, outages, asked });
    } catch (error) {
      return failedPlan(row, await outages.judged(error, asked.target, batch.signal));
    }
  };
  return {
    plan(rows, settings, signal) {
      const batch = {
        references: referenceReader(deps.leases, "strong"),
        sources: sourceReader(deps, deps.ca),
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

/** Of one plan: the Vault that it asks, once that is known. */
interface Asked {
  target?: VaultTarget;
}

async function planRow(
  deps: PlanDeps,
  row: Row,
  settings: ClusterSettings,
  { references, sources, signal, outages, asked }: PlanBatch & { readonly outages: PlanOutages; readonly asked: Asked },
): Promise<Planned> {
  if (shouldRelease(row))
    return { key: row.key, action: "none", because: "handed over: it is left as it is", ...NOTHING };
  if (isCleanupKey(row.key) || row.declared.deleting) return planCleanUp(deps, row, settings, signal);
  const { outcome } = await withReferences(references, (reference) =>
    resolveStaticSecret({ declared: row.declared, cluster: settings, reference }),
  );
  if (outcome instanceof SyncError) throw outcome;
  const outage = outages.among([circuitOfCluster(settings.name), outcome.circuit]);
  if (outage) throw outage;
  asked.target = outcome.read.identity.target;
  return planSync(deps, { row, settings, resolved: outcome, sources }, signal);
}

const NOTHING = { removes: [], restarts: [] };

function failedPlan({ key }: Row, error: unknown): Planned {
  if (error instanceof OlderAnswer) {
    const because = "Vault's answer is older than what was written: it is read again soon";
    return { key, action: "none", because, ...NOTHING };
  }
  if (!(error instanceof SyncError)) return bugPlan(key, error);
  return { key, action: "fail", because: `${error.code}: ${error.message}`, ...NOTHING, error };
}

/** One sync that makes us fail in a way which nobody foresaw must not keep the plan of all others back. */
function bugPlan(key: SyncKey, error: unknown): Planned {
  const { error: name, at = "an unknown place" } = described(error);
  return { key, action: "fail", because: `a defect of keyferry (${name} ${at}): please report it`, ...NOTHING };
}

interface PlanInput {
  readonly row: Row;
  readonly settings: ClusterSettings;
  readonly resolved: ResolvedStaticSecret;
  readonly sources: SourceReader;
}

/** One decision of the run that is imagined, and what it was judged from. */
interface Step {
  readonly decision: Decision;
  readonly work: Work;
}

/** The run itself, carried out in mind: the same reads, the same judgement, no write. */
async function planSync(deps: PlanDeps, input: PlanInput, signal: AbortSignal): Promise<Planned> {
  // Looked at, whatever the row believes: a run would learn the same by its precondition.
  const { work } = await begin(deps, { ...input, row: { ...input.row, verify: true } }, signal);
  const steps: Step[] = [];
  await untilDone(work, async (before, decision) => {
    if (decision.do === "observe") return observe(deps, before, signal);
    steps.push({ decision, work: before });
    const after = imagined(before, decision);
    return decision.do === "create" ? withStrays(deps, after, signal) : after;
  });
  const removes = await removedBy(deps, input, steps, signal);
  const restarts = restartedBy(deps, input, steps, work);
  return { key: input.row.key, secret: work.secret.name, ...judged(deps, steps, removes, restarts), removes, restarts };
}

/** What is owed once the run has ended. A Secret that is not recorded tells before the write what its workloads run with. */
function restartedBy(
  deps: PlanDeps,
  { row, resolved }: PlanInput,
  [first]: readonly Step[],
  { seen: { digest } }: Work,
): readonly string[] {
  const learned = first && unrecordedRollout(first.work.seen);
  const state = learned === undefined ? row.state : { ...row.state, rolledDigest: learned };
  const targets = resolved.rolloutTargets;
  const question = { state, digest, key: deps.digestKey, targets, isAskedFor: false, now: deps.clock() };
  return owedRollout(question) ? targets.map(({ kind, name }) => `${kind}/${name}`) : [];
}

/** What is known after a decision was carried out. */
function imagined(work: Work, decision: Exclude<Decision, { do: "observe" }>): Work {
  switch (decision.do) {
    case "adopt":
      return record(work, undefined, decision.seen, decision.seen.type);
    case "stand-beside":
      return besideOthers(work, decision.seen);
    case "prune":
      return pruned(work);
    case "nothing":
      return work;
    case "create":
    case "apply":
    case "take-over":
    case "recreate":
    case "replace":
      return record(work, decision.do, NOT_WRITTEN);
    default:
      return decision satisfies never;
  }
}

const NOT_WRITTEN = {
  ...{ uid: "not written", resourceVersion: "0" },
  managed: { fingerprint: "", ours: true, vso: false },
};

type Judged = Pick<Planned, "action" | "because" | "changes">;

function judged(
  deps: PlanDeps,
  steps: readonly Step[],
  removes: readonly string[],
  restarts: readonly string[],
): Judged {
  const first = steps.find(({ decision }) => decision.do !== "prune");
  const own = first ? judgedOne(deps, first) : IN_STEP;
  const isQuiet = own.action === "none" || own.action === "adopt";
  if (isQuiet && removes.length > 0) return { ...own, action: "prune", because: "its destination has another name" };
  if (isQuiet && restarts.length > 0)
    return { ...own, action: "restart", because: "restarts are owed since its data changed" };
  return own;
}

const IN_STEP: Judged = { action: "none", because: "in step" };

function judgedOne(deps: PlanDeps, { decision, work }: Step): Judged {
  const before = typeof work.seen.secret === "object" ? work.seen.secret : undefined;
  const changes = changesOf(deps.digestKey, before, work);
  switch (decision.do) {
    case "create":
      return { action: "create", because: "it does not exist", changes };
    case "recreate":
      return { action: "recreate", because: "its type changes", changes };
    case "take-over":
      return {
        action: "take-over",
        because: `Vault Secrets Operator wrote it, and ${changes.any ? "it differs" : "its declaration changed"}`,
        changes,
      };
    case "replace":
      return { action: "update", because: decision.because, changes };
    case "apply":
      // The declaration changed, and nothing that the Secret shows: such an apply changes nothing.
      if (!changes.any) return { action: "adopt", because: decision.because };
      return { action: "update", because: decision.because, changes };
    case "adopt":
      return { action: "adopt", because: "in step, and not recorded yet" };
    default:
      return IN_STEP;
  }
}

/** Of the Secrets under former names those that are still ours. */
async function removedBy(
  deps: PlanDeps,
  { row, settings }: PlanInput,
  steps: readonly Step[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names = steps.flatMap(({ decision }) => (decision.do === "prune" ? decision.names : []));
  return (await stillOurs(deps, row, names, settings, signal)).alone;
}

interface StillOurs {
  /** Nobody owns these beside us. */
  readonly alone: readonly string[];
  /** Our owner reference goes, and the Secret stays with who else owns it. */
  readonly shared: readonly string[];
}

async function stillOurs(
  deps: ObserveApis,
  { key, declared }: Row,
  names: readonly string[],
  settings: ClusterSettings,
  signal: AbortSignal,
): Promise<StillOurs> {
  const { cluster, namespace } = partsOf(key);
  const how = settings.observe === "watch" ? "get" : "patch";
  const found: { alone: string[]; shared: string[] } = { alone: [], shared: [] };
  for (const name of names) {
    const secret: NamedObject = { cluster, namespace, name };
    const seen: SeenSecret | undefined = await deps.secrets.observe(secret, how, signal);
    if (!seen?.ownerReferences.some(({ uid }) => uid === declared.uid)) continue;
    (seen.ownerReferences.length === 1 ? found.alone : found.shared).push(name);
  }
  return found;
}

async function planCleanUp(deps: PlanDeps, row: Row, settings: ClusterSettings, signal: AbortSignal): Promise<Planned> {
  const { key } = row;
  const names = row.state.owned.map(({ name }) => name);
  if (row.declared.deleting && (await deletionOf(deps, row, signal)) === "releasing") {
    return { key, action: "none", because: "its declaration is deleted as an owner of orphans: they stay", ...NOTHING };
  }
  const { alone, shared } = await stillOurs(deps, row, names, settings, signal);
  if (alone.length > 0)
    return { key, action: "remove", because: "its declaration is gone", ...NOTHING, removes: alone };
  const because = shared.length > 0 ? `${shared.join(", ")} stays with who else owns it` : "so is what it wrote";
  return { key, action: "none", because: `its declaration is gone, and ${because}`, ...NOTHING };
}
