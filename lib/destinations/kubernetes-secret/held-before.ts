import { type Digest, sameDigest } from "../../digest.ts";
import type { RowState } from "../../ports/rows.ts";
import { rolledOut } from "../../rollout/owed-rollout.ts";
import { bearsMarksOf } from "./owners.ts";
import type { Seen } from "./state.ts";

/**
 * The Secret's data before our write, when only the Secret tells what its workloads run with: a Secret of VSO, or of a
 * keyferry with a lost table, that is out of step. `state`: the row's, with this run's records.
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
