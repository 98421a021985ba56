import type { Destination } from "../destinations/destination.ts";
import { SyncError } from "../errors.ts";
import type { Claim } from "../ports/claim.ts";

/** After so many steps we say that someone else keeps changing the destination. */
const MAX_STEPS = 8;

/**
 * Decides, acts, and decides anew until nothing is left to do; answers what is known of the destination then. A run, a plan and
 * a clean-up share it. In the steady state the first decision is that nothing is to be done: no call, no write.
 */
export async function converge<S, D>(destination: Destination<S, D>, claim: Claim, signal: AbortSignal): Promise<S> {
  let state = destination.start;
  for (let step = 0; step < MAX_STEPS; step++) {
    const decision = destination.decide(state);
    if (decision === undefined) return state;
    state = await destination.act(decision, state, claim, signal);
  }
  const message = `${destination.name} changed again after each of ${MAX_STEPS} steps: someone else writes to it`;
  throw new SyncError("NOT_CONVERGING", message);
}
