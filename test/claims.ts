import type { Clock, EpochMs } from "../lib/clock.ts";
import type { Claim } from "../lib/ports/claim.ts";
import type { Row } from "../lib/ports/rows.ts";
import { claimOf } from "../lib/reconcile/claim.ts";

/** The claim of a worker that has taken the row, whose lease ends then. */
export async function aClaim(row: Row, clock: Clock, until: EpochMs = clock() + 60_000): Promise<Claim> {
  const lease = {
    key: row.key,
    uid: row.declared.uid,
    fence: row.fence + 1,
    nudges: row.nudges,
    until,
    state: row.state,
  };
  const leases = { claim: async () => ({ lease, row }), nudge: async () => undefined };
  const deps = { leases, queue: { send: async () => undefined }, clock } as unknown as Parameters<typeof claimOf>[0];
  const claim = claimOf(deps, row);
  await claim.take();
  return claim;
}
