import type { Claim } from "../ports/claim.ts";
import type { OwnerReference } from "../ports/objects.ts";
import type { ResourceEvent } from "../ports/resources.ts";
import type { StatusSeen } from "../ports/rows.ts";
import type { RunOutcome } from "./status.ts";

/**
 * Where a row was declared: whether it still exists, who owns what is written for it, and where results are reported.
 */
export interface Origin {
  readonly owner: OwnerReference;
  /**
   * `releasing`: it is being deleted, but what it owns stays. An unreachable origin is thrown, because it proves
   * nothing (lease-table 18).
   */
  exists(signal: AbortSignal): Promise<"declared" | "releasing" | "gone">;
  /** Throws DECLARATION_GONE. */
  mustBeDeclared(signal: AbortSignal): Promise<void>;
  /** Reports the result of a run: status and events, each only after a change. */
  announce(outcome: RunOutcome, claim: Claim, signal: AbortSignal): Promise<Announced>;
  emit(event: ResourceEvent, signal: AbortSignal): Promise<void>;
  /** Releases a deleted declaration after its leftovers are removed. */
  release(signal: AbortSignal): Promise<void>;
}

export interface Announced {
  /** The current status. */
  readonly seen: StatusSeen;
  /** The resource is gone or was recreated. */
  readonly isGone: boolean;
}
