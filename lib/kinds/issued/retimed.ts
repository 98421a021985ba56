import type { EpochMs } from "../../clock.ts";
import type { SyncError } from "../../errors.ts";
import { liveIssue, replaceAtOf } from "../../issues/issue-times.ts";
import type { ForeseeInput } from "../kind.ts";
import type { IssuedState } from "./issued-state.ts";
import type { IssuingKind, ResolvedIssued } from "./issuing-kind.ts";

export interface Retimed extends Pick<IssuedState, "replaceAt"> {
  readonly unusable?: SyncError;
}

/**
 * The time to replace the present data: as it was chosen, while it is within the window that the declaration gives now.
 * Otherwise, after an edit, another one in that window.
 */
export function retimed<R extends ResolvedIssued>(
  kind: Pick<IssuingKind<R>, "window">,
  run: ForeseeInput<R>,
  was: IssuedState,
): Retimed {
  const { replaceAt: at } = was;
  const chosen = at === undefined ? {} : { replaceAt: at };
  const window = kind.window?.(run, was);
  if (window === undefined) return chosen;
  if (window.unusable !== undefined) return { ...chosen, unusable: window.unusable };
  const byLease = leaseEnd(run, was);
  const [from, until] = [Math.min(window.from, byLease), Math.min(window.until, byLease)];
  if (at !== undefined && at >= from && at <= until) return chosen;
  return { replaceAt: Math.floor(until - run.random() * (until - from)) };
}

/** A certificate may have a lease, which can't be renewed. */
function leaseEnd(
  { row, resolved, clock }: ForeseeInput<ResolvedIssued>,
  { issuedAt = clock() }: IssuedState,
): EpochMs {
  const live = liveIssue(row.state);
  const end = live?.vaultLease && replaceAtOf(live, issuedAt, resolved.renewalPercent);
  return end ?? Number.POSITIVE_INFINITY;
}
