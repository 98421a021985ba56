import { circuitOfCluster, circuitOfVso } from "../circuits.ts";
import { type EpochMs, SECOND_MS } from "../clock.ts";
import { type ReleaseWaker, releaseWaker } from "../failures/release-wake.ts";
import { type SharedFailures, sharedFailures } from "../failures/shared-failures.ts";
import { isHandedOver } from "../handed-over.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import { type Circuits, circuits } from "../outage/circuit.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { WorkMessage } from "../ports/queue.ts";
import type { Row } from "../ports/rows.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { judgeOne } from "../references/judge-one.ts";
import { type ReferenceReader, referenceReader } from "../references/references.ts";
import { sweepTokens } from "../references/token-sweep.ts";
import { isJudged } from "../resource-kinds.ts";
import { sendTokenSweep } from "../schedule/messages.ts";
import { type MacKeys, macKeys } from "../vso/stand-back/mac-keys.ts";
import { worksBesideVso } from "../vso/stand-back/vso.ts";
import { cleanUp } from "./clean-up.ts";
import { type CaCache, caCache, type SourceReader, sourceReader } from "./source.ts";
import { syncOne } from "./sync-one.ts";

/** What the runs of one batch share. */
export interface Batch {
  readonly references: ReferenceReader;
  readonly sources: SourceReader;
  readonly circuits: Circuits;
  readonly ca: CaCache;
  readonly released: ReleaseWaker;
  readonly macKeys: MacKeys;
  readonly shared: SharedFailures;
  readonly signal: AbortSignal;
  /** Asks this Vault something for a key: who dispatches work is told that it waits, and that it goes on. */
  readonly atVault: <T>(key: SyncKey, target: VaultTarget, ask: () => Promise<T>) => Promise<T>;
}

/** What who dispatches work may want to know while it is done: an end that says nothing must not keep others waiting. */
export interface Progress {
  /** Its own run is over, which may be long before that of the last one is. */
  onKeyDone(key: SyncKey): void;
  /** It waits for a Vault; `isKnown`: for one that answered lately. */
  waits(key: SyncKey, isKnown: boolean): void;
  /** It does so no longer. */
  goesOn(key: SyncKey): void;
}

export interface Reconciler {
  /** Brings each key of a message to its declared state. Safe to call twice, late, or for keys that no longer exist. */
  handle(message: WorkMessage, signal: AbortSignal, progress?: Progress): Promise<BatchReport>;
  readonly circuits: Circuits;
  readonly ca: CaCache;
}

/** Keys whose run ended by a bug or an unreachable table: the message is to come again for these, and only these. */
export interface BatchReport {
  readonly failed: readonly { readonly key: SyncKey; readonly error: unknown }[];
}

export function reconciler(deps: ReconcileDeps): Reconciler {
  const ca = caCache(deps);
  const open = circuits(deps, ca);
  const released = releaseWaker(deps);
  const shared = sharedFailures(deps);
  return {
    ca,
    circuits: open,
    async handle(message, signal, progress) {
      if (message.probe !== undefined) {
        await open.probe(message.probe, signal);
        return { failed: [] };
      }
      if (message.tokens !== undefined) {
        await sweepTokens(deps, open, message.tokens.cluster, signal);
        return { failed: [] };
      }
      // A nudge follows the change that it is about, so the now lane must see that change (lease-table 17).
      const consistency = message.lane === "now" ? "strong" : "eventual";
      const batch: Batch = {
        references: referenceReader(deps.leases, consistency),
        sources: sourceReader(deps, ca),
        circuits: open,
        ca,
        released,
        macKeys: macKeys(deps),
        shared,
        // A signal of its own: each call listens to it, and one signal for all calls would have thousands of listeners to search.
        signal: AbortSignal.any([signal]),
        async atVault(key, target, ask) {
          progress?.waits(key, deps.vault.isKnown(target));
          try {
            return await ask();
          } finally {
            progress?.goesOn(key);
          }
        },
      };
      const run = async (row: Row) => {
        try {
          await reconcileRow(deps, row, message, batch);
          return [];
        } catch (error) {
          return [{ key: row.key, error }];
        } finally {
          progress?.onKeyDone(row.key);
        }
      };
      const runAll = async (): Promise<BatchReport["failed"]> => {
        try {
          const rows = await deps.leases.read(message.keys, consistency);
          return (await Promise.all([...rows.values()].map(run))).flat();
        } catch (error) {
          return message.keys.map((key) => ({ key, error }));
        }
      };
      const failed = await runAll();
      // A login may have lost its last sync.
      const cleaned = new Set(message.keys.filter(isCleanupKey).map((key) => partsOf(key).cluster));
      for (const cluster of cleaned) await sendTokenSweep(deps.queue, cluster, deps.clock());
      return { failed };
    },
  };
}

async function reconcileRow(deps: ReconcileDeps, row: Row, message: WorkMessage, batch: Batch): Promise<void> {
  const { cluster, namespace } = partsOf(row.key);
  const settings = deps.fleet(cluster);
  const readAt = deps.clock();
  const how = admit(row, message, readAt);
  if (how === "skip" || !settings) return;
  if (shouldRelease(row)) {
    await deps.leases.release(row.key);
    deps.log.info("declaration-handed-over", { key: row.key });
    return;
  }
  const others = worksBesideVso(settings, namespace) ? [] : [circuitOfVso(cluster), circuitOfVso(cluster, namespace)];
  if (await batch.circuits.openAmong([circuitOfCluster(cluster), ...others])) {
    // An outage is written once, and not here: who closes the circuit wakes this row (lease-table 16).
    deps.metrics.count("keyferry_syncs_waiting_total", { cluster });
    return;
  }
  if (how === "due" && (isCleanupKey(row.key) || row.declared.deleting)) return cleanUp(deps, row, settings, batch);
  if (how === "refresh" && (isCleanupKey(row.key) || row.declared.deleting)) return;
  if (isJudged(row.key)) return judgeOne(deps, row, settings, batch);
  const since = how === "due" ? row.dueAt : message.at;
  deps.metrics.observe("keyferry_sync_delay_seconds", {}, Math.max(0, deps.clock() - (since ?? 0)) / SECOND_MS);
  await syncOne(deps, row, { settings, isDue: how === "due", at: message.at, readAt }, batch);
}

/**
 * Handed over: its Secret stays, and we forget it. A restart that is owed comes first, since nobody else knows of it; one
 * that was tried in vain has been told.
 */
export function shouldRelease({ key, declared, state }: Row): boolean {
  if (!isHandedOver(declared.annotations) || isCleanupKey(key) || isJudged(key)) return false;
  return declared.deleting || state.rollout === undefined || state.rollout.attempts > 0;
}

/** Whether a row is to be worked on at all: messages may come twice, late and out of order (lease-table 14). */
function admit(row: Row, { lane, at }: WorkMessage, now: EpochMs): "due" | "refresh" | "skip" {
  if (row.leaseUntil !== undefined && row.leaseUntil > now) return "skip";
  if (row.dueAt !== undefined && row.dueAt <= now) return "due";
  // What was due when the message was sent has been done since, unless the message is of the wheel. Of a message that is
  // older than a period a younger one is on its way (lease-table 13).
  if (lane !== "refresh" || row.wheel === undefined) return "skip";
  return now - at > row.wheel.period * SECOND_MS ? "skip" : "refresh";
}
