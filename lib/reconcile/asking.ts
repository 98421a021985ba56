import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { type CausePlace, causesAhead } from "../failures/causes.ts";
import type { Asking } from "../failures/shared-failures.ts";
import { partsOf } from "../keys.ts";
import type { Resolved } from "../kinds/kind.ts";
import type { Row } from "../ports/rows.ts";
import { longestPause } from "../schedule/back-off.ts";

/** For routine runs, an answer may be slightly older than the request. */
const HARDLY_OLDER_MS = 5 * SECOND_MS;

/** When and why a row was read. */
export interface RunMode {
  /** The row is due: claimed before Vault is read, and always settled (lease-table 2). */
  readonly isDue: boolean;
  /** When its message was due. */
  readonly at: EpochMs;
  readonly readAt: EpochMs;
}

/** The cause-related parts of this sync, as far as it could be resolved. */
export function causePlaceOf({ key }: Row, resolved: Resolved | SyncError): CausePlace {
  const { cluster, namespace } = partsOf(key);
  if (resolved instanceof SyncError) return { cluster, namespace };
  return { cluster, namespace, ...(resolved.asks && { asks: resolved.asks }), destination: resolved.destination.name };
}

/** How a sync takes part in shared failures. An explicit request gets an answer that is newer than the request. */
export function askingOf(row: Row, resolved: Resolved | SyncError, mode: RunMode, now: EpochMs): Asking {
  const { error } = row.state;
  const isResolved = !(resolved instanceof SyncError);
  let ahead: ReturnType<Asking["ahead"]> | undefined;
  return {
    key: row.key,
    ahead: () => {
      ahead ??= causesAhead(causePlaceOf(row, resolved));
      return ahead;
    },
    before: error?.cause,
    // Without resolved references nothing can be requested.
    isRoutine: isResolved && isAsPlanned(row, mode),
    since: sinceOf(row, mode),
    isAskedFor: isAskedFor(row, mode),
    longestMs: longestPauseOf(resolved),
    at: now,
  };
}

/** A row with missing references may wait long: a change of a reference wakes it. */
export function longestPauseOf(resolved: Resolved | SyncError): number {
  return longestPause(resolved instanceof SyncError ? undefined : resolved.refreshAfterMs);
}

/** A nudge, a new declaration and an expired lease change the row's due time. */
function isAsPlanned({ verify, dueAt, state }: Row, { isDue }: RunMode): boolean {
  return isDue && !verify && dueAt !== undefined && dueAt === state.error?.nextAt;
}

function isAskedFor(row: Row, mode: RunMode): boolean {
  return row.verify || (mode.isDue && row.state.settledAt !== undefined && !isAsPlanned(row, mode));
}

function sinceOf({ verify, dueAt, state }: Row, { isDue, at, readAt }: RunMode): EpochMs {
  // The request came before the read, whatever clock it used.
  if (verify) return readAt;
  if (!isDue || dueAt === undefined) return at - HARDLY_OLDER_MS;
  return state.settledAt === undefined ? dueAt - HARDLY_OLDER_MS : dueAt;
}
