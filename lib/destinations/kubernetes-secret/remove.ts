import { digestOf, sameDigest } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { Claim } from "../../ports/claim.ts";
import type { NamedObject, OwnerReference } from "../../ports/objects.ts";
import type { Row } from "../../ports/rows.ts";
import { readingWay } from "../../reading-way.ts";
import { SecretValue } from "../../secret-value.ts";
import type { DestinationApis } from "../destination.ts";

/** As what, and under which lease, a Secret is removed. */
export interface Removing {
  readonly owner: OwnerReference;
  readonly observe: "watch" | "apply";
  readonly claim: Pick<Claim, "takeToWrite">;
}

/**
 * Deletes a Secret with our owner reference, at the observed uid and resourceVersion. If there are other owners,
 * removes only our reference. Demands the lease again after it observed, because a slow answer may outlast it
 * (lease-table 6).
 */
export async function removeIfOurs(
  { secrets }: Pick<DestinationApis, "secrets">,
  secret: NamedObject,
  { owner, observe, claim }: Removing,
  signal: AbortSignal,
): Promise<void> {
  const found = await secrets.observe(secret, readingWay(observe), signal);
  if (!found?.ownerReferences.some(({ uid }) => uid === owner.uid)) return;
  await claim.takeToWrite();
  if (found.ownerReferences.length === 1) return secrets.remove(secret, found, signal);
  if (!found.deleting) await secrets.dropOwner(secret, owner.uid, found, signal);
}

/** Empties a Secret that the row only filled, unless somebody has put other data there since. */
export async function emptyIfOurs(
  { secrets, digestKey }: Pick<DestinationApis, "secrets" | "digestKey">,
  { state }: Pick<Row, "state">,
  secret: NamedObject,
  { observe }: Pick<Removing, "observe">,
  claim: Pick<Claim, "takeToWrite">,
  signal: AbortSignal,
): Promise<void> {
  const found = await secrets.observe(secret, readingWay(observe), signal);
  const { digest } = state;
  if (found === undefined || digest === undefined || !sameDigest(digestOf(digestKey, found.data), digest)) return;
  await claim.takeToWrite();
  try {
    await secrets.replaceData(secret, found.uid, new Map(), signal);
  } catch (error) {
    if (!(error instanceof SyncError) || error.code !== "SECRET_REFUSED") throw error;
    // Its type requires keys, as that of TLS does.
    const blank = new Map([...found.data.keys()].map((key) => [key, SecretValue.of("")]));
    await secrets.replaceData(secret, found.uid, blank, signal);
  }
}
