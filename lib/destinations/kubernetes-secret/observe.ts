import { digestOf } from "../../digest.ts";
import { verified } from "../../ports/rows.ts";
import type { SeenSecret } from "../../ports/secrets.ts";
import { readingWay } from "../../reading-way.ts";
import type { DestinationApis } from "../destination.ts";
import { isRecorded } from "./belonging.ts";
import { ownersOf } from "./owners.ts";
import { rivalsFor } from "./rivals.ts";
import { ownedUnder, type Seen, type Work } from "./state.ts";

/** Reads the Secret for the next decision. */
export async function observe(apis: DestinationApis, work: Work, signal: AbortSignal): Promise<Work> {
  return observed(apis, work, await find(apis, work, signal), signal);
}

/** One request. Undefined: absent. */
export function find(
  { secrets }: Pick<DestinationApis, "secrets">,
  { secret, seen }: Work,
  signal: AbortSignal,
): Promise<SeenSecret | undefined> {
  return secrets.observe(secret, readingWay(seen.observe), signal);
}

/** What a decision needs to know of the Secret that was found. Asks only about one that is missing or not just ours. */
export async function observed(
  apis: DestinationApis,
  work: Work,
  found: SeenSecret | undefined,
  signal: AbortSignal,
): Promise<Work> {
  if (!found) {
    // If our Secret is missing, the garbage collector may have removed it with its declaration: then it must not be
    // created again (lease-table 22).
    if (ownedUnder(work.seen.row, work.seen.destination.name)?.uid !== undefined) {
      await apis.origin.mustBeDeclared(signal);
    }
    return { ...work, seen: { ...work.seen, secret: "absent", row: verified(work.seen.row) } };
  }
  const rivals = work.seen.destination.create ? await rivalsIn(apis, work, found, signal) : [];
  return { ...work, seen: { ...work.seen, secret: found, secretDigest: digestOf(apis.digestKey, found.data), rivals } };
}

/** Other declarations with a claim to the Secret. When only our own reference is on it, no request is needed. */
async function rivalsIn(
  apis: DestinationApis,
  work: Work,
  found: SeenSecret,
  signal: AbortSignal,
): Promise<NonNullable<Seen["rivals"]>> {
  const owner = work.seen.destination.ownerReference;
  const isPlain = found.ownerReferences.length === 1 && ownersOf(found, owner).own === "as-written";
  // Our reference is only restored for an existing declaration: otherwise the Secret was released (kubernetes-rules 6).
  if (!isPlain) await apis.origin.mustBeDeclared(signal);
  return rivalsFor(apis, work.secret, found, { owner, isRecorded: isRecorded(work.seen, found) }, signal);
}
