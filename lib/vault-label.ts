/** A Vault's name in metrics. Tenants choose the addresses of Vaults that fleet.yaml does not name: these share one. */
export function vaultLabel(vault: string): string {
  return vault.includes("://") ? "unnamed" : vault;
}
