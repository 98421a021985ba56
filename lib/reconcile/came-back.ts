import { declarationKey, isCleanupKey } from "../keys.ts";
import { isApplied, type Row } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";

/**
 * Whether a declaration that came back has to do with the paths that its clean-up still has in Vault. `elsewhere`:
 * nothing refers to them any more, or it waits until they are free. `unknown`: it was not applied yet. `here`: there is
 * no such path.
 */
export async function cameBack(
  { leases }: { readonly leases: Pick<LeaseStore, "read"> },
  { key, state: { pushed = [] } }: Row,
): Promise<"elsewhere" | "here" | "unknown"> {
  if (!isCleanupKey(key) || pushed.length === 0) return "here";
  const of = declarationKey(key);
  const successor = (await leases.read([of], "strong")).get(of);
  // It has none of these paths, so that it wrote to none of them.
  if (successor?.state.error?.code === "PATH_TAKEN") return "elsewhere";
  return successor !== undefined && isApplied(successor) ? "elsewhere" : "unknown";
}
