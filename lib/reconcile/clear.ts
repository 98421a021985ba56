import type { DestinationApis } from "../destinations/destination.ts";
import type { SyncKind } from "../kinds/kind.ts";
import type { Claim } from "../ports/claim.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { ownsNothing } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";
import { cameBack } from "./came-back.ts";
import { converge } from "./converge.ts";

/**
 * The input of clearing: what a row left behind, and who may remove it. References have no kind: they leave nothing.
 */
export interface Clearing {
  readonly kind: SyncKind | undefined;
  readonly settings: ClusterSettings;
  readonly apis: DestinationApis & { readonly leases: Pick<LeaseStore, "read"> };
  readonly claim: Claim;
}

/**
 * Removes what a row left behind, but only after its origin confirmed by name that the declaration is gone or being
 * deleted (lease-table 18). `declared`: the declaration still exists, and nothing is removed; `waiting`: it came back, and
 * it is not known yet whether it uses what the row left; `releasing`: what it owns stays.
 */
export async function clear(
  { kind, settings, apis, claim }: Clearing,
  signal: AbortSignal,
): Promise<"declared" | "waiting" | "releasing" | "gone"> {
  const { row } = claim;
  const { blanks: blank } = row.state;
  const found = ownsNothing(row.state) ? "gone" : await apis.origin.exists(signal);
  const place = found === "declared" ? await cameBack(apis, row) : undefined;
  if (place === "unknown") return "waiting";
  const standing = place === "elsewhere" ? "gone" : found;
  if (kind === undefined || standing === "declared") return standing;
  const about = { row, settings, ...(blank === undefined ? {} : { blank }) };
  if (standing === "gone") await converge(kind.destination.toClear(apis, about), claim, signal);
  return standing;
}
