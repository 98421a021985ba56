import type { ReconcileDeps } from "../../ports/deps.ts";
import type { Work } from "./act.ts";

interface OrphanApis {
  readonly secrets: Pick<ReconcileDeps["secrets"], "ownedNames">;
}

/**
 * After the first Secret of a declaration that another controller carried out before: one under a former name of its
 * destination, which nobody else is there to prune. It is pruned as if we had written it.
 */
export async function withStrays(apis: OrphanApis, work: Work, signal: AbortSignal): Promise<Work> {
  const { row, observe } = work.seen;
  const { lastGeneration } = row.declared.seen.status;
  const wasAnothers = row.state.doneHash === undefined && typeof lastGeneration === "number" && lastGeneration > 0;
  // With observe: apply nothing may be listed.
  if (!wasAnothers || observe !== "watch") return work;
  const known = new Set(row.state.owned.map(({ name }) => name));
  const names = await apis.secrets.ownedNames(work.secret, row.declared.uid, signal);
  const strays = names.filter((name) => !known.has(name)).map((name) => ({ name }));
  const state = { ...row.state, owned: [...row.state.owned, ...strays] };
  return { ...work, seen: { ...work.seen, row: { ...row, state } } };
}
