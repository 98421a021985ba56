import { type Digest, sameDigest } from "../../digest.ts";
import type { RowState } from "../../ports/rows.ts";
import { rolledOut } from "../../rollout/owed-rollout.ts";
import { bearsMarksOf } from "./owners.ts";
import type { Seen } from "./state.ts";

/**
 * What a Secret held before we write to it, where nothing else tells what its workloads run with. So it is when a Secret of
 * VSO's, or of a keyferry whose table was lost, is out of step. `state`: the row's, with everything that this run recorded.
 */
export function heldBefore(seen: Seen, state: RowState): Digest | undefined {
  const { row, destination, secret, secretDigest, digest, key } = seen;
  if (typeof secret !== "object" || secretDigest === undefined || sameDigest(secretDigest, digest)) return undefined;
  if (state.rollout || rolledOut(state, key) !== undefined) return undefined;
  const isOfThisSync = destination.create
    ? bearsMarksOf(secret, destination.ownerReference)
    : secret.managed.ours || Boolean(row.declared.seen.status.secretMAC);
  return isOfThisSync ? secretDigest : undefined;
}
