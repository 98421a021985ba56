import type { Effect, SecretChanges } from "../destinations/destination.ts";
import type { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { Unforeseen } from "../kinds/kind.ts";

/**
 * - `none`: in step. `adopt`: in step too; a run records it, and leaves the Secret as it is.
 * - `create`, `update`, `take-over` (an update of what Vault Secrets Operator wrote), `recreate` (its type changes).
 * - `prune`: only Secrets under former names go. `remove`: the declaration is gone, and its Secrets go.
 * - `restart`: only workloads are restarted, which is owed since an earlier run.
 * - `release`: its cluster or namespace left fleet.yaml: its Secrets stay, and keyferry forgets it.
 */
export type PlannedAction =
  | "none"
  | "adopt"
  | "create"
  | "update"
  | "take-over"
  | "recreate"
  | "prune"
  | "remove"
  | "restart"
  | "release"
  | "fail";

/** What a run would do for one sync, and why: names and digests, never values. */
export interface Planned {
  readonly key: SyncKey;
  readonly action: PlannedAction;
  readonly because: string;
  readonly secret?: string;
  readonly changes?: SecretChanges;
  /** Names of the Secrets that are removed. */
  readonly removes: readonly string[];
  /** Restarted workloads, as `Deployment/app`. */
  readonly restarts: readonly string[];
  /** Names of the Secrets that stay without an owner. */
  readonly releases?: readonly string[];
  readonly error?: SyncError;
}

type Classified = Pick<Planned, "action" | "because" | "changes">;

const IN_STEP: Classified = { action: "none", because: "in step" };

/** What the first effect of a run is, seen as a whole. */
export function classify(
  [first]: readonly Effect[],
  removes: readonly string[],
  restarts: readonly string[],
): Classified {
  const own = first ?? IN_STEP;
  const isQuiet = own.action === "none" || own.action === "adopt";
  if (isQuiet && removes.length > 0) return { ...own, action: "prune", because: "its destination has another name" };
  if (isQuiet && restarts.length > 0)
    return { ...own, action: "restart", because: "restarts are owed since its data changed" };
  return own;
}

const UNFORESEEN: Readonly<Record<Unforeseen, string>> = {
  "would-issue": "Vault would issue its data, which a plan does not request",
  "may-issue": "a plan does not read a path of a mount that is not kv: a read may issue a credential",
};

/** A plan does not request the data: it was simulated with none. */
export function classifyUnforeseen([first]: readonly Effect[], why: Unforeseen): Classified {
  const { action } = first ?? IN_STEP;
  const isQuiet = action === "none" || action === "adopt";
  return { action: isQuiet ? "update" : action, because: UNFORESEEN[why] };
}
