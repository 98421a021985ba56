import { described } from "../described.ts";
import { RowTooLarge } from "../errors.ts";
import { releaseWaker } from "../failures/release-wake.ts";
import { sharedFailures } from "../failures/shared-failures.ts";
import { withKnownTargets } from "../issues/known-targets.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import { lookUp } from "../nudging/look-up.ts";
import { type Circuits, circuits } from "../outage/circuit.ts";
import type { KeysMessage, WorkMessage } from "../ports/queue.ts";
import type { Row } from "../ports/rows.ts";
import { type CaCache, caCache } from "../references/ca-cache.ts";
import { sendTokenSweep } from "../schedule/messages.ts";
import { type Batch, openBatch, type Progress } from "./batch.ts";
import type { CoreDeps } from "./deps.ts";
import { reconcileRow } from "./reconcile-row.ts";
import { resealTokens } from "./reseal-tokens.ts";
import { sweepTokens } from "./token-sweep.ts";

export interface Reconciler {
  /** Processes a message. Safe to call twice, late, or for keys that no longer exist. */
  handle(message: WorkMessage, signal: AbortSignal, progress?: Progress): Promise<BatchReport>;
  readonly circuits: Circuits;
  readonly ca: CaCache;
}

/** Keys whose run ended by a bug or an unreachable table: only for these must the message come again. */
export interface BatchReport {
  readonly failed: readonly { readonly key: SyncKey; readonly error: unknown }[];
}

export function reconciler(given: CoreDeps): Reconciler {
  const deps = { ...given, leases: withKnownTargets(given.leases) };
  const ca = caCache(deps);
  const open = circuits(deps, ca);
  const shared = { circuits: open, ca, released: releaseWaker(deps), shared: sharedFailures(deps) };
  return {
    ca,
    circuits: open,
    async handle(message, signal, progress) {
      switch (message.kind) {
        case "probe":
          await open.probe(message.circuit, signal);
          return { failed: [] };
        case "token-sweep":
          await sweep(deps, open, message.cluster, signal);
          return { failed: [] };
        case "look-up":
          await lookUp(deps, message);
          return { failed: [] };
        case "keys":
      }
      // A nudge follows a change, which the now lane must see (lease-table 17).
      const consistency = message.lane === "now" ? "strong" : "eventual";
      const batch = openBatch(deps, shared, { consistency, progress, signal });
      const failed = await reconcileAll(deps, message, batch, progress);
      await sweepAfterCleanUps(deps, message.keys);
      return { failed };
    },
  };
}

/** The tokens of one cluster; every ten minutes, everything that needs a sweep. */
async function sweep(deps: CoreDeps, open: Circuits, cluster: string | undefined, signal: AbortSignal): Promise<void> {
  if (cluster !== undefined) return sweepTokens(deps, open, cluster, signal);
  try {
    await sweepTokens(deps, open, undefined, signal);
    await resealTokens(deps, signal);
    await deps.leases.sweepTargets(deps.clock());
  } finally {
    await deps.events?.sweep(signal);
  }
}

/** Each key separately, so that a failed one does not stop the others. */
async function reconcileAll(
  deps: CoreDeps,
  message: KeysMessage,
  batch: Batch,
  progress: Progress | undefined,
): Promise<BatchReport["failed"]> {
  const one = async (row: Row): Promise<BatchReport["failed"]> => {
    try {
      await reconcileRow(deps, row, message, batch);
      return [];
    } catch (error) {
      // The message would only fail again: the row is looked at when its time comes.
      if (!(error instanceof RowTooLarge)) return [{ key: row.key, error }];
      deps.log.error("row-not-stored", { key: row.key, ...described(error) });
      return [];
    } finally {
      progress?.onKeyDone(row.key);
    }
  };
  try {
    const rows = await deps.leases.read(message.keys, batch.consistency);
    return (await Promise.all([...rows.values()].map(one))).flat();
  } catch (error) {
    return message.keys.map((key) => ({ key, error }));
  }
}

/** A login may have no sync any more. */
async function sweepAfterCleanUps({ queue, clock }: CoreDeps, keys: readonly SyncKey[]): Promise<void> {
  const clusters = new Set(keys.filter(isCleanupKey).map((key) => partsOf(key).cluster));
  for (const cluster of clusters) await sendTokenSweep(queue, cluster, clock());
}
