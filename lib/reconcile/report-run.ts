import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { SourceMissing } from "../failures/source-missing.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { FinishedPush } from "../ports/telemetry.ts";
import type { Run } from "./run.ts";

/** Reports the run to the series of single syncs. */
export function report(
  { metrics, clock }: ReconcileDeps,
  run: Run,
  { error, isUnchanged = false }: { readonly error?: SyncError; readonly isUnchanged?: boolean },
): void {
  const { claim, resolved } = run;
  // The sync no longer exists.
  if (error?.code === "DECLARATION_GONE") return;
  const refreshAfterMs = resolved instanceof SyncError ? undefined : resolved.refreshAfterMs;
  metrics.ran?.({
    key: claim.row.key,
    at: clock(),
    ...(error === undefined ? {} : { code: error.code }),
    ...(refreshAfterMs === undefined ? {} : { refreshAfterMs }),
    ...(run.kind.locate !== undefined && { push: finishedPush(run, error, isUnchanged, clock()) }),
  });
}

function finishedPush(
  { resolved, refs, asking }: Run,
  error: SyncError | undefined,
  isUnchanged: boolean,
  now: EpochMs,
): FinishedPush {
  return {
    ...{ seconds: Math.max(0, now - asking.at) / SECOND_MS, isUnchanged },
    ...(resolved instanceof SyncError ? {} : { secrets: refs.length }),
    ...(error instanceof SourceMissing ? { missing: error.missing } : {}),
  };
}
