import type { NamedObject, OwnerReference } from "../../ports/objects.ts";
import type { DestinationApis } from "../destination.ts";
import { readingWay } from "./observe.ts";

/**
 * Deletes a Secret with our owner reference, at the observed uid and resourceVersion. If there are other owners,
 * removes only our reference.
 */
export async function removeIfOurs(
  { secrets }: Pick<DestinationApis, "secrets">,
  secret: NamedObject,
  owner: OwnerReference,
  observe: "watch" | "apply",
  signal: AbortSignal,
): Promise<void> {
  const found = await secrets.observe(secret, readingWay(observe), signal);
  if (!found?.ownerReferences.some(({ uid }) => uid === owner.uid)) return;
  if (found.ownerReferences.length === 1) return secrets.remove(secret, found, signal);
  if (!found.deleting) await secrets.dropOwner(secret, owner.uid, found, signal);
}
