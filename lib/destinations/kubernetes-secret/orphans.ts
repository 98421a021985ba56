import type { DestinationApis } from "../destination.ts";
import { type Work, withOwned } from "./state.ts";

/**
 * After the first Secret of a declaration that another controller handled before: adds its Secret under a former name,
 * which nothing else would prune. It is pruned like one that we wrote.
 */
export async function withOrphans(
  { secrets }: Pick<DestinationApis, "secrets">,
  work: Work,
  signal: AbortSignal,
): Promise<Work> {
  const { row, observe } = work.seen;
  const { lastGeneration } = row.declared.seen.status;
  const wasAnothers = row.state.appliedHash === undefined && typeof lastGeneration === "number" && lastGeneration > 0;
  // With observe: apply keyferry may not list.
  if (!wasAnothers || observe !== "watch") return work;
  const known = new Set(row.state.owned.map(({ name }) => name));
  const names = await secrets.ownedNames(work.secret, row.declared.uid, signal);
  const orphans = names.filter((name) => !known.has(name)).map((name) => ({ name }));
  return withOwned(work, [...row.state.owned, ...orphans]);
}
