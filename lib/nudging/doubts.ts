import { vaultName } from "../declarations/source.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import type { VaultApi } from "../ports/vault.ts";
import type { InletDeps } from "./deps.ts";

/**
 * Doubts this process's tokens of a Vault. Other processes learn of a change when Vault refuses theirs, which costs one
 * request more.
 */
export function doubtsOf(
  { tokens }: Pick<VaultApi, "tokens">,
  vaults: () => readonly FleetVault[] | undefined,
): NonNullable<InletDeps["doubtTokens"]> {
  return (vault, mount) => tokens.doubt({ isOf: (address) => vaultName(vaults(), address) === vault, mount });
}
