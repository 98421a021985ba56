import { renewSlotOf } from "../issues/issue-times.ts";
import { retentionOf } from "../issues/retention.ts";
import { partsOf } from "../keys.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { Issue } from "../ports/issues.ts";
import type { Row } from "../ports/rows.ts";
import { claimOf } from "./claim.ts";

/**
 * Handed over: its Secret stays, and the row goes. Its credentials stay as well, since workloads use them: they are
 * renewed for the retention. VSO issues others when it starts, or goes on with those of its own token, which are never
 * revoked here. A certificate is VSO's from now on.
 */
export async function release(deps: ReconcileDeps, row: Row): Promise<void> {
  const { key, state, declared } = row;
  // Only as it was read: if its mark is gone by now, it stays keyferry's, and no event tells of that again.
  const { hash } = declared;
  if ((state.issues ?? []).length === 0) {
    await deps.leases.release(key, hash);
  } else {
    const claim = claimOf(deps, row);
    if (!(await claim.take())) return;
    const now = deps.clock();
    const issues = (claim.row.state.issues ?? []).flatMap(leftToVso);
    const renew = renewSlotOf(key, issues, now);
    const settled = { state: { ...claim.row.state, issues }, schedule: { kind: "due", at: now }, renew, now } as const;
    await claim.settle({ ...settled, did: { handedOver: true } });
    const retention = retentionOf(state.waitsFor, deps.fleet(partsOf(key).cluster)?.vaults);
    await deps.leases.retire(key, now + retention, now, hash);
  }
  deps.log.info("declaration-handed-over", { key });
}

function leftToVso(issue: Issue): readonly Issue[] {
  const { state, shared = false, certificate } = issue;
  if (state !== "live" || !shared) return [issue];
  return certificate === undefined ? [{ ...issue, endBy: "none" }] : [];
}
