import type { Claim } from "../ports/claim.ts";
import type { OwnerReference } from "../ports/objects.ts";
import type { ResourceEvent } from "../ports/resources.ts";
import type { StatusSeen } from "../ports/rows.ts";
import type { RunOutcome } from "./status.ts";

/** Where one row was declared: whether it still is, who owns what is written for it, and who is told. */
export interface Origin {
  readonly owner: OwnerReference;
  /** `releasing`: it is being deleted, and what it owns is to stay. That it can't be asked says no such thing, and is thrown (lease-table 18). */
  exists(signal: AbortSignal): Promise<"declared" | "releasing" | "gone">;
  /** Throws DECLARATION_GONE. */
  mustBeDeclared(signal: AbortSignal): Promise<void>;
  /** Tells how a run ended: status and events, each only when something changed. */
  announce(outcome: RunOutcome, claim: Claim, signal: AbortSignal): Promise<Announced>;
  emit(event: ResourceEvent, signal: AbortSignal): Promise<void>;
  /** Lets a deleted declaration go, once what it left behind is gone. */
  release(signal: AbortSignal): Promise<void>;
}

export interface Announced {
  /** The status as it stands now. */
  readonly seen: StatusSeen;
  /** The resource is gone, or was made anew: nobody is left to tell. */
  readonly isGone: boolean;
}
