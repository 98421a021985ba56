import { type EpochMs, SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import { type CausePlace, causesAhead } from "../failures/causes.ts";
import type { Asking } from "../failures/shared-failures.ts";
import { partsOf } from "../keys.ts";
import type { Resolved } from "../kinds/kind.ts";
import type { Row } from "../ports/rows.ts";
import { longestPause } from "../schedule/back-off.ts";

/** Nobody asked: an answer that is hardly older than the question will do. */
const HARDLY_OLDER_MS = 5 * SECOND_MS;

/** When a row was read, and why. */
export interface RunMode {
  /** RunMode through the due index: claimed before Vault is read, and always settled (lease-table 2). */
  readonly isDue: boolean;
  /** When its message was to start. */
  readonly at: EpochMs;
  readonly readAt: EpochMs;
}

/** Where this sync is, as far as it could be resolved. */
export function causePlaceOf({ key }: Row, resolved: Resolved | SyncError): CausePlace {
  const { cluster, namespace } = partsOf(key);
  if (resolved instanceof SyncError) return { cluster, namespace };
  return { cluster, namespace, ...(resolved.asks && { asks: resolved.asks }), destination: resolved.destination.name };
}

/** How a sync asks. Who asked for it by name gets an answer that is younger than the wish. */
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
    // What can't be resolved asks nobody.
    isRoutine: isResolved && isAsPlanned(row, mode),
    since: sinceOf(row, mode),
    isAskedFor: isAskedFor(row, mode),
    longestMs: longestPauseOf(resolved),
    at: now,
  };
}

/** What a table says can be looked at slowly: who changes a reference wakes those who name it. */
export function longestPauseOf(resolved: Resolved | SyncError): number {
  return longestPause(resolved instanceof SyncError ? undefined : resolved.refreshAfterMs);
}

/** A nudge, a new declaration and a lease that ran out move the time at which a row is due. */
function isAsPlanned({ verify, dueAt, state }: Row, { isDue }: RunMode): boolean {
  return isDue && !verify && dueAt !== undefined && dueAt === state.error?.nextAt;
}

function isAskedFor(row: Row, mode: RunMode): boolean {
  return row.verify || (mode.isDue && row.state.settledAt !== undefined && !isAsPlanned(row, mode));
}

function sinceOf({ verify, dueAt, state }: Row, { isDue, at, readAt }: RunMode): EpochMs {
  // Asked for before it was read: that holds whatever the clock of who asked said.
  if (verify) return readAt;
  if (!isDue || dueAt === undefined) return at - HARDLY_OLDER_MS;
  return state.settledAt === undefined ? dueAt - HARDLY_OLDER_MS : dueAt;
}
