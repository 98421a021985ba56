import { isCleanupKey } from "../keys.ts";
import { isHandedOver } from "../origins/handed-over.ts";
import type { Row } from "../ports/rows.ts";
import { isReferenceStatus } from "../resource-kinds.ts";

/**
 * Handed over: its Secret stays, and we forget it. A restart that is owed comes first, since nobody else knows of it; one
 * that was tried in vain has been told.
 */
export function shouldRelease({ key, declared, state }: Row): boolean {
  if (!isHandedOver(declared.annotations) || isCleanupKey(key) || isReferenceStatus(key)) return false;
  return declared.deleting || state.rollout === undefined || state.rollout.attempts > 0;
}

/** What it left behind is to go. */
export function isBeingDeleted({ key, declared }: Row): boolean {
  return isCleanupKey(key) || declared.deleting;
}
