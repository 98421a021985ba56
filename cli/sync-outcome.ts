import type { EpochMs } from "../lib/clock.ts";
import { OUTAGE_CODES } from "../lib/errors.ts";
import type { SyncKey } from "../lib/keys.ts";
import { staticState } from "../lib/kinds/static/static-state.ts";
import type { Row } from "../lib/ports/rows.ts";
import type { Due } from "../lib/ports/store.ts";
import { type Surroundings, waitsFor } from "./status-view.ts";

/** A requested sync, with its state at the time. */
export interface Asked {
  readonly key: SyncKey;
  /** Read before the request: every run that answers it has a greater fence. */
  readonly fence: number;
  /** When the row was due after the request. */
  readonly dueAt: EpochMs | undefined;
}

export function askedOf(before: Row, due: Due | undefined): Asked {
  return { key: before.key, fence: before.fence, dueAt: due?.at ?? before.dueAt };
}

export interface Outcome {
  readonly key: SyncKey;
  readonly outcome: "synced" | "failed";
  readonly error?: { readonly code: string; readonly message: string };
}

/** How the requested run ended; undefined while it has not. Compares no clocks, so they may differ. */
export function outcomeOf(asked: Asked, row: Row | undefined, around: Surroundings, now: EpochMs): Outcome | undefined {
  const { key } = asked;
  if (!row) return { key, outcome: "failed", error: GONE };
  const isHeld = row.leaseUntil !== undefined && row.leaseUntil > now;
  if (isHeld) return undefined;
  const { error } = row.state;
  const isDone = row.fence !== asked.fence && !isStillDue(asked, row);
  if (isDone) return error ? failedOutcome(key, error) : { key, outcome: "synced" };
  const { waitsFor: circuit } = row.state;
  const open = waitsFor({ key, ...(circuit === undefined ? {} : { waitsFor: circuit }) }, around);
  return open && failedOutcome(key, open);
}

const GONE = { code: "DECLARATION_GONE", message: "the declaration was deleted meanwhile" };

function failedOutcome(key: SyncKey, { code, message }: { readonly code: string; readonly message: string }): Outcome {
  return { key, outcome: "failed", error: { code, message } };
}

/**
 * Whether the request is still open: no run has begun since, a running one left the row due, or Vault's answer was too
 * old.
 */
function isStillDue(asked: Asked, { dueAt, state }: Row): boolean {
  if (staticState(state).older !== undefined) return true;
  if (dueAt === undefined) return false;
  const isOutage = state.error !== undefined && OUTAGE_CODES.has(state.error.code);
  return dueAt === asked.dueAt || (dueAt <= (state.settledAt ?? 0) && !isOutage);
}
