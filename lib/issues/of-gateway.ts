import type { SyncError } from "../errors.ts";

/** Whether something else answered in place of Vault, whose own refusals are answers, or have a certain outcome. */
export function isOfGateway({ code, outcome }: SyncError): boolean {
  return (code === "VAULT_ANSWER_INVALID" || code === "VAULT_DENIED") && outcome === "unknown";
}
