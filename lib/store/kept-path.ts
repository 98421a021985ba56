import type { EpochMs } from "../clock.ts";
import { type Place, pushPlace } from "../ports/rows.ts";
import { parsed, soundPushed } from "./stored.ts";

/**
 * Whether a row still has a path that an index says it has, from its lease and the JSON of its paths: a worker that dies
 * after a record or a settle without the path may leave the index as it was. A row at work has it, because only a settle
 * lets go of paths; so has a row whose list can't be read.
 */
export function keepsPath(
  leaseUntil: EpochMs | null | undefined,
  pushed: string | null | undefined,
  { vault, path }: Place,
): boolean {
  if (typeof leaseUntil === "number") return true;
  let isDamaged = false;
  const paths = soundPushed(parsed(pushed ?? "[]"), () => {
    isDamaged = true;
  });
  return isDamaged || paths.map(pushPlace).some((place) => place.vault === vault && place.path === path);
}
