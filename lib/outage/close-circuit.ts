import { clusterOfCircuit, placeOfSuspension } from "../circuits.ts";
import { type EpochMs, MINUTE_MS, SECOND_MS } from "../clock.ts";
import { fingerprint } from "../digest.ts";
import { parseKey, type SyncKey } from "../keys.ts";
import { LEASE_MS, type ReconcileDeps } from "../ports/deps.ts";
import type { Circuit, Due } from "../ports/store.ts";
import { sendDue } from "../schedule/messages.ts";
import { slices } from "../schedule/wheel.ts";

/** How long workers cache circuits (lease-table 16). */
export const CACHE_MS = 5 * SECOND_MS;
/** Within which time the waiting syncs start again, spread out. */
const SPREAD_MS = 5 * MINUTE_MS;
/** Per waiting sync, so that a few need not wait for minutes. */
const SPREAD_PER_SYNC_MS = 10;
const MAX_WAITING = 100_000;
/** Between the first messages and the close, usually. With very many messages it takes longer, and they are sent anew. */
const CLOSED_WITHIN_MS = SECOND_MS;
const MAX_TRIES = 3;

type Deps = Pick<ReconcileDeps, "leases" | "queue" | "clock" | "log">;

/**
 * Closes a claimed circuit and wakes the syncs that wait for it. Their messages are accepted before it closes: a worker
 * that dies in between leaves it open, for another probe, and nobody finds out later what waited for a circuit that is
 * gone.
 */
export async function closeCircuit(deps: Deps, circuit: Circuit): Promise<void> {
  const first = await sentAhead(deps, circuit);
  if (!(await closed(deps, circuit, first))) return;
  const closedAt = deps.clock();
  deps.log.info("circuit-closed", { circuit: circuit.id, afterMs: closedAt - circuit.since });
  // What arrives sooner meets workers that do not know yet.
  const sent = new Set(first.filter(({ at }) => at >= closedAt + CACHE_MS).map(({ key }) => key));
  const woken = await waitingFor(deps, circuit, closedAt);
  const atOnce = woken.filter(({ lane }) => lane === "now");
  const others = woken.filter(({ key }) => !sent.has(key));
  await sendDue(deps.queue, [...atOnce, ...afterCaches(others)], deps.clock());
}

/** Without an answer it may be closed all the same, and later than the messages are for. */
async function closed({ leases, queue, clock }: Deps, circuit: Circuit, first: readonly Due[]): Promise<boolean> {
  const begunAt = clock();
  try {
    return await leases.closeCircuit(circuit);
  } catch (error) {
    const tookMs = clock() - begunAt;
    await sendDue(
      queue,
      first.map((due) => ({ ...due, at: due.at + tookMs })),
      clock(),
    );
    throw error;
  }
}

/** Their messages come when the circuit is closed and nobody's cache has it any more. */
async function sentAhead(deps: Deps, circuit: Circuit): Promise<readonly Due[]> {
  let withinMs = CLOSED_WITHIN_MS;
  for (let tries = 1; ; tries++) {
    const begunAt = deps.clock();
    const first = afterCaches(await waitingFor(deps, circuit, begunAt), withinMs);
    await sendDue(deps.queue, first, deps.clock());
    const tookMs = deps.clock() - begunAt;
    if (tookMs <= withinMs || tries === MAX_TRIES) return first;
    withinMs = 2 * tookMs;
  }
}

/** Waiting syncs are in the due index; missed refresh slots are dispatched again. */
async function waitingFor({ leases }: Deps, { id, since }: Circuit, now: EpochMs): Promise<readonly Due[]> {
  const waiting = await leases.due({ after: 0, until: now, now }, MAX_WAITING);
  // A run that met the outage first, or waited for an answer when others found it, had its slot before.
  const missed = await missedSlots(leases, since - LEASE_MS, now);
  const found = [...missed, ...waiting].filter(({ key }) => mayWaitFor(id, key));
  const byKey = new Map<SyncKey, Due>(found.map((due) => [due.key, due]));
  const spread = Math.min(SPREAD_MS, byKey.size * SPREAD_PER_SYNC_MS);
  return [...byKey.values()].map((due) => ({ ...due, at: now + spreadOf(due.group) * spread }));
}

/**
 * For a cluster, or a suspension in it, only the rows of that place wait. For a Vault any may: a row that was not settled
 * since its declaration changed does not say which Vault it needs, nor does any row say from which Vault the access to
 * its cluster comes.
 */
function mayWaitFor(id: string, key: SyncKey): boolean {
  const cluster = clusterOfCircuit(id);
  const place = cluster === undefined ? placeOfSuspension(id) : { cluster };
  if (place === undefined) return true;
  const parts = parseKey(key);
  return parts?.cluster === place.cluster && (place.namespace ?? parts.namespace) === parts.namespace;
}

/**
 * Other processes cache this circuit and ignore messages meanwhile, so each message is repeated after that time. For a
 * finished row this costs one read.
 */
function afterCaches(woken: readonly Due[], moreMs = 0): readonly Due[] {
  return woken.map((due) => ({ ...due, at: due.at + CACHE_MS + moreMs }));
}

/** The same for all syncs of a group, so that sharers stay together. */
function spreadOf(group: string): number {
  return Number.parseInt(fingerprint(group).slice(0, 8), 16) / 2 ** 32;
}

async function missedSlots(leases: Deps["leases"], since: EpochMs, now: EpochMs): Promise<readonly Due[]> {
  const found: Due[] = [];
  for (const lane of ["renew", "refresh"] as const) {
    for (const { period, fromPhase, toPhase } of slices(await leases.periods(lane), since, now)) {
      for (const { key, group } of await leases.onWheel(lane, period, fromPhase, toPhase)) {
        found.push({ key, group, lane, at: now });
      }
    }
  }
  return found;
}
