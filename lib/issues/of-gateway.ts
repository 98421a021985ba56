import { SyncError } from "../errors.ts";

/** Whether something else answered in place of Vault, whose own refusals are answers, or have a certain outcome. */
export function isOfGateway({ code, outcome }: SyncError): boolean {
  return (code === "VAULT_ANSWER_INVALID" || code === "VAULT_DENIED") && outcome === "unknown";
}

/** The answer; or the error of a gateway, which may let another request through. Throws any other error. */
export async function unlessBarred<T>(work: Promise<T>): Promise<T | SyncError> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof SyncError && isOfGateway(error)) return error;
    throw error;
  }
}
