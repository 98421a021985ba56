import type { ResolvedStaticSecret } from "../declarations/resolve.ts";
import { SyncError } from "../errors.ts";
import type { Reached } from "../failures/asking.ts";
import type { SharedOutcome } from "../failures/shared-failures.ts";
import type { ReferenceKey } from "../keys.ts";
import { type Announced, announce } from "../origins/announce.ts";
import type { RunOutcome } from "../origins/status.ts";
import { LEASE_MS, type ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Row, RowState } from "../ports/rows.ts";
import type { Lease } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import type { Batch } from "./reconcile.ts";
import type { Timing } from "./settle.ts";

/** Why and how a sync is worked on. */
export interface RunMode extends Reached {
  readonly settings: ClusterSettings;
  /** Reached through the due index: claimed before Vault is read, and always settled (lease-table 2). */
  readonly isDue: boolean;
}

/** One sync on its way: the row as it was read, and the lease once it is held. */
export interface Run {
  readonly row: Row;
  readonly mode: RunMode;
  readonly refs: readonly ReferenceKey[];
  readonly resolved: ResolvedStaticSecret | SyncError;
  lease?: Lease;
  /** Set once this run has learned something that others may want to know. */
  outcome?: SharedOutcome;
}

/** Takes the lease with the destination's name in it; false when another worker was faster, or the declaration changed. */
export async function take(deps: ReconcileDeps, run: Run): Promise<boolean> {
  const now = deps.clock();
  const claimed = await deps.leases.claim(run.row, { now, until: now + LEASE_MS, owned: ownedAfter(run) });
  if (!claimed) return false;
  run.lease = claimed.lease;
  if (claimed.row.declared.hash === run.row.declared.hash) return true;
  // The declaration changed between read and claim: hand it back, due now, and take the new one next.
  await deps.leases.settle(claimed.lease, { state: run.row.state, schedule: { kind: "due", at: now }, now });
  await sendDue(deps.queue, [{ key: run.row.key, group: run.row.declared.group, lane: "now", at: now }], now);
  return false;
}

/** The Secrets that the row names from the claim on: what is to be written is recorded before it is (lease-table 8). */
export function ownedAfter(run: Run): RowState["owned"] {
  const { owned } = run.row.state;
  if (run.resolved instanceof SyncError || !run.resolved.destination.create) return owned;
  const { name } = run.resolved.destination;
  return owned.some((entry) => entry.name === name) ? owned : [...owned, { name }];
}

/** The lease, taken when it is first needed. Throws LEASE_LOST. */
export async function hold(deps: ReconcileDeps, run: Run): Promise<Lease> {
  if (run.lease) return run.lease;
  if (await take(deps, run)) {
    if (run.lease) return run.lease;
  }
  // Who loses the claim drops what it read; it saw a difference, so it asks for another run (lease-table 1).
  const due = await deps.leases.nudge(run.row.key, { now: deps.clock(), verify: false });
  if (due) await sendDue(deps.queue, [due], deps.clock());
  throw new SyncError("LEASE_LOST", `another worker holds ${run.row.key}`);
}

/** The data is in step whatever becomes of the status: a status that can't be written is a failure of its own. */
export async function writeStatus(
  deps: ReconcileDeps,
  run: Run,
  ending: RunOutcome,
  lease: Lease,
  batch: Batch,
): Promise<{ announced?: Announced; error?: SyncError }> {
  try {
    return { announced: await announce(deps, run.row, ending, lease, batch.signal) };
  } catch (error) {
    if (error instanceof SyncError) return { error };
    throw error;
  }
}

/** What settle needs to know of time, as it is now. */
export async function timingOf(deps: ReconcileDeps): Promise<Timing> {
  return { now: deps.clock(), random: deps.random, dispatchedUntil: await deps.leases.dispatchedUntil() };
}

/** What the row says of where it reads, once that is known. */
export function vaultSource({ resolved }: Run): Pick<RowState, "place" | "waitsFor"> {
  return resolved instanceof SyncError ? {} : { place: resolved.place, waitsFor: resolved.circuit };
}
