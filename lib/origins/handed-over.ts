import { isOfVso } from "../resource-kinds.ts";

/**
 * On a declaration: keyferry leaves it to Vault Secrets Operator. Stored in the cluster, so that every engine sees it.
 */
export const HANDED_OVER = "keyferry.dev/handed-over";

/** The annotation's value. */
export const TO_VSO = "vso";

export function isHandedOver(annotations: Readonly<Record<string, string>>): boolean {
  return annotations[HANDED_OVER] !== undefined;
}

/** The same for a resource of this kind: nobody would take over one that Vault Secrets Operator does not know. */
export function isLeftToVso(kind: string, annotations: Readonly<Record<string, string>>): boolean {
  return isOfVso(kind) && isHandedOver(annotations);
}
