import { MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { ClusterRow } from "../ports/store.ts";
import { sendTokenSweep } from "../schedule/messages.ts";
import { underPassLease } from "./pass-lease.ts";
import { AT_ONCE, type RetireDeps, retire, type Vaults } from "./retire.ts";

/** For how long a release claims the cluster's row, again with each part of it. */
const RELEASE_MS = MINUTE_MS;

export interface Departure {
  /** No other process watches clusters: a claimed row was left by a process that is gone. */
  readonly isAlone: boolean;
  /** When it aborts, what is left is left to a later call. */
  readonly signal?: AbortSignal;
}

/**
 * Releases clusters that left the fleet: Secrets stay, rows go (lease-table 18). One over which a watch pass still runs
 * is left to a later call: its rows would come back.
 */
export async function releaseDeparted(
  deps: RetireDeps,
  fleet: readonly Pick<ClusterSettings, "name" | "vaults">[],
  { isAlone, signal }: Departure,
): Promise<void> {
  const names = new Set(fleet.map(({ name }) => name));
  // The same for all clusters.
  const vaults = fleet[0]?.vaults;
  for (const { name, leaseUntil = 0 } of await deps.leases.clusters()) {
    if (names.has(name)) continue;
    if (signal?.aborted) return;
    const now = deps.clock();
    const until = now + RELEASE_MS;
    const row = await deps.leases.claimCluster(name, { now: isAlone ? Math.max(now, leaseUntil) : now, until });
    if (row === undefined) continue;
    const underLease = { ...deps, leases: underPassLease(deps, { ...row, leaseUntil: until }) };
    await release(underLease, row, { vaults, signal }).catch(unlessBack);
  }
}

/** A watch pass has begun: the cluster is in the fleet again, and what is left of it stays. */
function unlessBack(error: unknown): void {
  if (!(error instanceof SyncError) || error.code !== "LEASE_LOST") throw error;
}

/** The time is over: the row is set free instead of held. */
function unlessOver(error: unknown): void {
  if (!(error instanceof SyncError) || error.code !== "DEADLINE_EXCEEDED") throw error;
}

interface How {
  readonly vaults: Vaults;
  readonly signal: AbortSignal | undefined;
}

/**
 * Of one cluster. Stops if the cluster is back in the fleet, and a watch pass over it has begun, and when the time is
 * over: then its row is free for the call that goes on.
 */
async function release(deps: RetireDeps, row: ClusterRow, { vaults, signal }: How): Promise<void> {
  const { leases, clock } = deps;
  const hold = async (): Promise<boolean> => {
    const isOver = signal?.aborted ?? false;
    const now = clock();
    // Without cursors: if the cluster comes back before all of this is done, its next watch pass lists everything again.
    const state = { ...row.state, cursors: {} };
    const isHeld = await leases.saveCluster(row, state, isOver ? { dueAt: now } : { until: now + RELEASE_MS });
    return isHeld && !isOver;
  };
  const rows = await leases.byCluster(row.name);
  for (let from = 0; from < rows.length; from += AT_ONCE) {
    if (!(await hold())) return;
    await retire(deps, rows.slice(from, from + AT_ONCE), vaults, signal).catch(unlessOver);
  }
  const references = await leases.referencesOf(row.name);
  for (let from = 0; from < references.length; from += AT_ONCE) {
    if (!(await hold())) return;
    for (const { key } of references.slice(from, from + AT_ONCE)) {
      if (signal?.aborted) break;
      await leases.removeReference(key);
    }
  }
  // The last part may have been cut off.
  if (!(await hold())) return;
  await sendTokenSweep(deps.queue, row.name, clock());
  await leases.removeCluster(row.name);
  deps.log.info("cluster-released", { cluster: row.name });
}
