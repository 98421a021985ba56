import type { Learned } from "../destinations/destination.ts";
import { type Digest, digestOf, secretMac } from "../digest.ts";
import { SyncError } from "../errors.ts";
import type { KnownFailure } from "../failures/shared-failures.ts";
import type { ForeseeInput, Obtained, PathsRefused, Resolved } from "../kinds/kind.ts";
import { tellLeft } from "../origins/pushed-left.ts";
import { isToldIn } from "../origins/status.ts";
import type { Warning } from "../origins/warnings.ts";
import type { Claim } from "../ports/claim.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Did } from "../ports/domain-events.ts";
import { isApplied, type Pushed, pushPlace, type Row } from "../ports/rows.ts";
import type { RolloutQuestion } from "../rollout/owed-rollout.ts";
import { type RolledOut, rollOut } from "../rollout/rollout.ts";
import { sameJson } from "../util/canonical.ts";
import type { Batch } from "./batch.ts";
import { converge } from "./converge.ts";
import { sourcesFor } from "./push-inputs.ts";
import { type Run, reachedBy } from "./run.ts";

/** How far a run came; settle handles each case. */
export type Attempt =
  /** In step and unclaimed. */
  | { readonly kind: "unchanged" }
  | InStep
  | Extract<Obtained, { readonly kind: "later" }>
  | { readonly kind: "failed"; readonly error: SyncError }
  /** Another sync already retries this failure for all: no request was sent. */
  | { readonly kind: "known"; readonly failure: KnownFailure };

export interface InStep {
  readonly kind: "in-step";
  readonly resolved: Resolved;
  readonly obtained: Extract<Obtained, { readonly kind: "data" }>;
  readonly digest: Digest;
  readonly learned: Learned;
  readonly rolled: RolledOut;
  readonly mac: string | undefined;
}

/**
 * Obtains the data, brings it to its destination, and does owed restarts. Throws only bugs; all other results are
 * returned.
 */
export async function attempt(deps: ReconcileDeps, run: Run, batch: Batch): Promise<Attempt> {
  const { resolved, unlocated, paths, claim } = run;
  if (resolved instanceof SyncError) return { kind: "failed", error: resolved };
  if (unlocated instanceof SyncError) return { kind: "failed", error: unlocated };
  try {
    if (unlocated !== undefined) {
      await letGo(deps, run, unlocated, batch.signal);
      return { kind: "failed", error: unlocated.refused };
    }
    if (paths !== undefined && claim.isTaken) dropUnused(claim, paths);
    return await obtainAndWrite(deps, run, resolved, batch);
  } catch (error) {
    if (error instanceof SyncError) return { kind: "failed", error };
    throw error;
  }
}

async function obtainAndWrite(deps: ReconcileDeps, run: Run, resolved: Resolved, batch: Batch): Promise<Attempt> {
  const { kind, claim, origin, settings } = run;
  const { row } = claim;
  const { signal } = batch;
  const { templates, clock, random, digestKey } = deps;
  const reached = reachedBy(batch);
  const apis = { ...deps, origin, pushes: { writes: deps.writes, reached, clock } };
  const obtained = await kind.obtain({
    ...{ row, resolved, settings, templates, clock, random, digestKey, claim, deps, signal },
    holding: kind.destination.holding(apis, { row, settings, resolved }),
    read: readFor(run, batch),
    reached,
    ...sourcesFor(deps, row, signal),
  });
  if (obtained.kind === "later") return obtained;
  const digest = digestOf(digestKey, obtained.data);
  const about = { row: claim.row, settings, resolved, data: obtained.data, digest };
  const destination = kind.destination.toWrite(apis, about);
  const learned = destination.learned(await converge(destination, claim, signal));
  // The claim also updates, once, a status of an earlier version, or warnings about unchanged data.
  if (isUntold(row, obtained.warnings) || isElsewhere(row, resolved)) await claim.take();
  if (!claim.isTaken) return { kind: "unchanged" };
  const macKey = resolved.hmac ? await batch.macKeys.of(settings, signal) : undefined;
  const mac = macKey && secretMac(macKey, obtained.data);
  const rolled = await rollOut(deps, { claim, origin, signal }, rolloutQuestion(deps, claim.row, resolved, digest));
  return { kind: "in-step", resolved, obtained, digest, learned, rolled, mac };
}

/**
 * Does the restarts that are owed and due for data that was written before: they do not wait for what fails since. What
 * fails here stays owed. Needs the claim.
 */
export async function rollOutWritten(
  deps: ReconcileDeps,
  { claim, origin, resolved }: Run,
  { signal }: Batch,
): Promise<Pick<RolledOut, "state" | "restarted">> {
  const { rollout, rolledDigest } = claim.row.state;
  if (rollout === undefined) return { state: {} };
  const owed = { rollout, ...(rolledDigest === undefined ? {} : { rolledDigest }) };
  if (resolved instanceof SyncError) return { state: owed };
  try {
    const question = rolloutQuestion(deps, claim.row, resolved, rollout.digest);
    return await rollOut(deps, { claim, origin, signal }, question);
  } catch (error) {
    if (error instanceof SyncError) return { state: owed };
    throw error;
  }
}

/** Paths that an earlier declaration claimed, and that were never written: others may have them. */
function dropUnused(claim: Claim, wanted: readonly Pushed[]): void {
  const { pushed = [] } = claim.row.state;
  const isUsed = (path: Pushed) =>
    path.digest !== undefined ||
    path.writing !== undefined ||
    wanted.some((one) => sameJson({ ...pushPlace(one) }, { ...pushPlace(path) }));
  if (!pushed.every(isUsed)) claim.note({ pushed: pushed.filter(isUsed) });
}

/** Others may have the paths that a refused declaration may not keep. What it wrote there stays, and is told. */
async function letGo(
  { log }: ReconcileDeps,
  { claim, origin }: Run,
  { mayKeep }: PathsRefused,
  signal: AbortSignal,
): Promise<void> {
  if (!(await claim.take())) return;
  const { key, state } = claim.row;
  const { pushed = [] } = state;
  const left = pushed.filter((path) => !mayKeep(path));
  if (left.length === 0) return;
  claim.note({ pushed: pushed.filter(mayKeep) });
  const because = "push.paths of fleet.yaml does not allow it any more";
  for (const { mount, path, digest, writing } of left) {
    const mayStand = digest !== undefined || writing !== undefined;
    if (mayStand) await tellLeft({ log, origin }, key, { path: `${mount}/${path}`, because }, signal);
  }
}

/** For domain events. */
export function restartedBy({ restarted }: Pick<RolledOut, "restarted">): Pick<Did, "restarted"> {
  return restarted === undefined ? {} : { restarted };
}

/** The shared read; after an explicit request it ignores remembered refusals. */
function readFor({ claim, asking }: Run, batch: Batch): ForeseeInput["read"] {
  const since = asking.isAskedFor ? { since: asking.since } : {};
  return (read, again) =>
    batch.atVault(claim.row.key, read.identity.target, () =>
      batch.sources.read({ ...read, ...since }, batch.signal, again),
    );
}

/**
 * Whether the index of places lacks this sync's place: its Vault has a new name, or the row is of an earlier version.
 */
function isElsewhere({ state }: Row, { asks }: Resolved): boolean {
  return asks !== undefined && !sameJson({ ...asks.place }, state.place && { ...state.place });
}

/** Whether the last written status lacks current facts although nothing else has to be done. */
function isUntold({ state: { seen, rollout }, declared }: Row, warnings: readonly Warning[]): boolean {
  if (seen === undefined || seen.hash !== declared.hash) return false;
  return !isToldIn(seen.status, warnings, rollout !== undefined);
}

function rolloutQuestion(
  { digestKey: key, clock }: ReconcileDeps,
  row: Row,
  { rolloutTargets: targets }: Resolved,
  digest: Digest,
): RolloutQuestion {
  return { state: row.state, digest, key, targets, isAskedFor: row.verify || !isApplied(row), now: clock() };
}
