import type { EpochMs } from "../lib/clock.ts";
import { OUTAGE_CODES } from "../lib/errors.ts";
import type { SyncKey } from "../lib/keys.ts";
import { staticState } from "../lib/kinds/static/static-state.ts";
import type { Row } from "../lib/ports/rows.ts";
import type { Due } from "../lib/ports/store.ts";
import { type Surroundings, waitsFor } from "./status-view.ts";

/** One sync that was asked for, as it stood then. */
export interface Asked {
  readonly key: SyncKey;
  /** As it was read before it was asked for: every run that answers comes with a greater one. */
  readonly fence: number;
  /** When the row was due once it had been asked for. */
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

/** How the run that was asked for ended; undefined while it has not. No clock is needed, so that two may differ. */
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

/** Nobody has taken it since, or who had it before settled it as one that was asked for meanwhile, or Vault's answer was too old. */
function isStillDue(asked: Asked, { dueAt, state }: Row): boolean {
  if (staticState(state).olderSince !== undefined) return true;
  if (dueAt === undefined) return false;
  const isOutage = state.error !== undefined && OUTAGE_CODES.has(state.error.code);
  return dueAt === asked.dueAt || (dueAt <= (state.settledAt ?? 0) && !isOutage);
}
