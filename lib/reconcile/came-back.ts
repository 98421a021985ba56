import { declarationKey, isCleanupKey } from "../keys.ts";
import { isApplied, type Row } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";

/**
 * Where a declaration pushes that came back before the clean-up of its paths in Vault. `elsewhere`: nothing refers to
 * these paths any more. `here`: it waits for one of them. `unknown`: it was not applied yet.
 */
export async function cameBack(
  { leases }: { readonly leases: Pick<LeaseStore, "read"> },
  { key, state: { pushed = [] } }: Row,
): Promise<"elsewhere" | "here" | "unknown"> {
  if (!isCleanupKey(key) || pushed.length === 0) return "here";
  const of = declarationKey(key);
  const successor = (await leases.read([of], "strong")).get(of);
  if (successor?.state.error?.code === "PATH_TAKEN") return "here";
  return successor !== undefined && isApplied(successor) ? "elsewhere" : "unknown";
}
