import type { VaultAccess } from "./vault-access.ts";
import type { ConnectDeps } from "./way.ts";

/** The access to Vaults that a way needs. */
export function vaultOf({ vault }: ConnectDeps): Promise<VaultAccess> {
  if (vault === undefined) throw new Error("a way to connect needs a Vault, and none is wired here");
  return vault();
}
