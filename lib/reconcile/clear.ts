import type { DestinationApis } from "../destinations/destination.ts";
import type { SyncKind } from "../kinds/kind.ts";
import type { Claim } from "../ports/claim.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { converge } from "./converge.ts";

/** What a row left behind, and who may remove it. A resource that syncs refer to is of no kind: it leaves nothing. */
export interface Clearing {
  readonly kind: SyncKind | undefined;
  readonly settings: ClusterSettings;
  readonly apis: DestinationApis;
  readonly claim: Claim;
}

/**
 * Removes what a row left behind. Nothing is removed before its origin said by name that the declaration is gone, or being deleted
 * (lease-table 18). `declared`: it is there to stay, and so is everything else; `releasing`: what it owns is to stay.
 */
export async function clear(
  { kind, settings, apis, claim }: Clearing,
  signal: AbortSignal,
): Promise<"declared" | "releasing" | "gone"> {
  const { row } = claim;
  const standing = row.state.owned.length === 0 ? "gone" : await apis.origin.exists(signal);
  if (kind === undefined || standing === "declared") return standing;
  if (standing === "gone") await converge(kind.destination.toClear(apis, { row, settings }), claim, signal);
  await kind.end?.(claim, signal);
  return standing;
}
