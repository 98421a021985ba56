import { isCleanupKey, partsOf } from "../keys.ts";
import { isLeftToVso } from "../origins/handed-over.ts";
import type { Row } from "../ports/rows.ts";
import { isReferenceStatus } from "../resource-kinds.ts";

/**
 * Handed over: its Secret stays, and the row goes. An owed restart comes first, because VSO does not know of it; a
 * failed one has been reported.
 */
export function shouldRelease({ key, declared, state }: Row): boolean {
  if (isCleanupKey(key) || isReferenceStatus(key)) return false;
  if (!isLeftToVso(partsOf(key).kind, declared.annotations)) return false;
  return declared.deleting || state.rollout === undefined || state.rollout.attempts > 0;
}

/** Whether to remove what it left behind. */
export function isBeingDeleted({ key, declared }: Row): boolean {
  return isCleanupKey(key) || declared.deleting;
}
