import type { Destination } from "../destinations/destination.ts";
import { SyncError } from "../errors.ts";
import type { Claim } from "../ports/claim.ts";

/** After so many steps another program seems to change the destination as well. */
const MAX_STEPS = 8;

/**
 * Decides and acts until nothing is left to do; returns what is then known of the destination. Runs, plans and
 * clean-ups share it. In the steady state the first decision is to do nothing: no call, no write.
 */
export async function converge<S, D>(destination: Destination<S, D>, claim: Claim, signal: AbortSignal): Promise<S> {
  let state = destination.start;
  for (let step = 0; step < MAX_STEPS; step++) {
    const decision = destination.decide(state);
    if (decision === undefined) return state;
    state = await destination.act(decision, state, claim, signal);
  }
  const message = `${destination.name} changed again after each of ${MAX_STEPS} steps: another program writes to it`;
  throw new SyncError("DESTINATION_UNSETTLED", message);
}
