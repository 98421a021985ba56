/**
 * On a declaration: keyferry leaves it to Vault Secrets Operator. It stands in the cluster, so that every engine sees it
 * by itself, whoever handed over.
 */
export const HANDED_OVER = "keyferry.dev/handed-over";

/** What the annotation says while it is set. */
export const TO_VSO = "vso";

export function isHandedOver(annotations: Readonly<Record<string, string>>): boolean {
  return annotations[HANDED_OVER] !== undefined;
}
