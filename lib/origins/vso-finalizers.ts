/**
 * Vault Secrets Operator's finalizers on its resources: keyferry respects and then removes them, and adds none of its
 * own.
 */
export const VSO_FINALIZERS: Readonly<Record<string, string>> = {
  VaultConnection: "vaultconnection.secrets.hashicorp.com/finalizer",
  VaultAuth: "vaultauth.secrets.hashicorp.com/finalizer",
  VaultStaticSecret: "vaultstaticsecret.secrets.hashicorp.com/finalizer",
  VaultDynamicSecret: "vaultdynamicsecret.secrets.hashicorp.com/finalizer",
  VaultPKISecret: "vaultpkisecrets.secrets.hashicorp.com/finalizer",
};
