import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { SharedOutcome } from "../failures/shared-failures.ts";
import type { SyncKind } from "../kinds/kind.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import { type Attempt, attempt, restartedBy, rollOutWritten } from "./attempt.ts";
import type { Batch } from "./batch.ts";
import { type Admitted, located, prepare, type Run, vaultOf } from "./run.ts";
import { settleAttempt } from "./settle-attempt.ts";

/** Resolve, claim, obtain, converge, settle. In the steady state: one Vault read, no call to the cluster, no write. */
export async function syncOne(deps: ReconcileDeps, kind: SyncKind, admitted: Admitted, batch: Batch): Promise<void> {
  const prepared = await prepare(deps, kind, admitted, batch);
  if (await isVaultAway(prepared, batch)) return waitForVault(deps, prepared, batch);
  const run = await located(deps, prepared, batch);
  if (run.mode.isDue && !(await run.claim.take())) return;
  let outcome: SharedOutcome | undefined;
  try {
    const attempted = await attemptUnlessKnown(deps, run, batch);
    outcome = await settleAttempt(deps, run, attempted, batch);
  } finally {
    deps.metrics.observe("keyferry_sync_duration_seconds", {}, (deps.clock() - run.asking.at) / SECOND_MS);
    await batch.shared.leave(run.asking, outcome);
  }
}

/** Syncs with the same cause of failure cost one attempt: the others use its result. */
async function attemptUnlessKnown(deps: ReconcileDeps, run: Run, batch: Batch): Promise<Attempt> {
  const failure = await batch.shared.enter(run.asking, batch.signal);
  return failure === undefined ? attempt(deps, run, batch) : { kind: "known", failure };
}

/** Checks the circuit of the Vault declared now, so that a corrected address is not blocked by the old one. */
async function isVaultAway({ resolved }: Run, batch: Batch): Promise<boolean> {
  const asks = resolved instanceof SyncError ? undefined : resolved.asks;
  return asks !== undefined && (await batch.circuits.openAmong([asks.circuit])) !== undefined;
}

/**
 * An outage is written once; the row only records that it waits, and closing the circuit wakes it (lease-table 16). A
 * restart for data that was written before needs no Vault.
 */
async function waitForVault(deps: ReconcileDeps, run: Run, batch: Batch): Promise<void> {
  const { claim, mode, refs } = run;
  deps.metrics.count("keyferry_syncs_waiting_total", { cluster: run.settings.name });
  const { waitsFor, rollout } = claim.row.state;
  const isWaiting = waitsFor === vaultOf(run).waitsFor;
  const mayRestart = rollout !== undefined && rollout.at <= deps.clock();
  if ((isWaiting && !mayRestart) || !mode.isDue || !(await claim.take())) return;
  const rolled = await rollOutWritten(deps, run, batch);
  const now = deps.clock();
  const { rollout: _rollout, ...before } = claim.row.state;
  const state = { ...before, ...rolled.state, refs, ...vaultOf(run) };
  await claim.settle({ state, schedule: { kind: "due", at: now }, now, did: restartedBy(rolled) });
}
