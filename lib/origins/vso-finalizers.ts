/** Finalizers that Vault Secrets Operator leaves on its resources: honoured, then removed; we add none. */
export const VSO_FINALIZERS: Readonly<Record<string, string>> = {
  VaultConnection: "vaultconnection.secrets.hashicorp.com/finalizer",
  VaultAuth: "vaultauth.secrets.hashicorp.com/finalizer",
  VaultStaticSecret: "vaultstaticsecret.secrets.hashicorp.com/finalizer",
  VaultDynamicSecret: "vaultdynamicsecret.secrets.hashicorp.com/finalizer",
  VaultPKISecret: "vaultpkisecrets.secrets.hashicorp.com/finalizer",
};
