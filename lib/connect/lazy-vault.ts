import type { VaultAccess, VaultAccessOptions } from "./vault-access.ts";

/** The access to Vaults for connections: opened by the first cluster that needs it. */
export interface LazyVault {
  open(): Promise<VaultAccess>;
  /** Closes what was opened. */
  close(): Promise<void>;
}

export function lazyVault(options: () => VaultAccessOptions): LazyVault {
  let opened: Promise<VaultAccess> | undefined;
  return {
    open() {
      opened ??= import("./vault-access.ts").then(({ vaultAccess }) => vaultAccess(options()));
      return opened;
    },
    close: async () => (await opened)?.close(),
  };
}
