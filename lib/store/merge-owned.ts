import type { OwnedSecret } from "../ports/rows.ts";

/** By name; what is said later of a name completes what was said before. */
export function mergeOwned(before: readonly OwnedSecret[], later: readonly OwnedSecret[]): readonly OwnedSecret[] {
  const merged = new Map(before.map((secret) => [secret.name, secret]));
  for (const secret of later) merged.set(secret.name, { ...merged.get(secret.name), ...secret });
  return [...merged.values()];
}
