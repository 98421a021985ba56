import { closest, distance } from "fastest-levenshtein";

/** The candidate that a person most likely meant, ignoring case; undefined when none is close enough. */
export function nearest(text: string, candidates: readonly string[], edits: (near: string) => number) {
  if (candidates.length === 0) return undefined;
  const near = closest(text.toLowerCase(), [...candidates]);
  return distance(text.toLowerCase(), near.toLowerCase()) <= edits(near) ? near : undefined;
}
