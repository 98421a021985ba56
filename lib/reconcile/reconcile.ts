import { releaseWaker } from "../failures/release-wake.ts";
import { sharedFailures } from "../failures/shared-failures.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import { type Circuits, circuits } from "../outage/circuit.ts";
import type { WorkMessage } from "../ports/queue.ts";
import type { Row } from "../ports/rows.ts";
import { type CaCache, caCache } from "../references/ca-cache.ts";
import { referenceReader } from "../references/references.ts";
import { sweepTokens } from "../references/token-sweep.ts";
import { sendTokenSweep } from "../schedule/messages.ts";
import { macKeys } from "../vso/stand-back/mac-keys.ts";
import type { Batch } from "./batch.ts";
import type { CoreDeps } from "./deps.ts";
import { reconcileRow } from "./reconcile-row.ts";
import { sourceReader } from "./source.ts";

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

export function reconciler(deps: CoreDeps): Reconciler {
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
