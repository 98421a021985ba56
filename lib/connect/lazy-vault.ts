import { SyncError } from "../errors.ts";
import type { FleetCluster } from "../fleet/fleet.ts";
import type { VaultAccess, VaultAccessOptions } from "./vault-access.ts";

/** The access to Vaults for connections: opened by the first cluster that needs it. */
export interface LazyVault {
  open(): Promise<VaultAccess>;
  /** Forgets the shared tokens of clusters that these are not, or that connect in another way now. */
  sweep(clusters: readonly Pick<FleetCluster, "name" | "connect">[]): Promise<void>;
  /** Closes what was opened. */
  close(): Promise<void>;
}

export function lazyVault(options: () => VaultAccessOptions): LazyVault {
  let opened: Promise<VaultAccess> | undefined;
  const open = (): Promise<VaultAccess> => {
    opened ??= import("./vault-access.ts").then(({ vaultAccess }) => vaultAccess(options()));
    return opened;
  };
  return {
    open,
    async sweep(clusters) {
      const { cache, log } = options();
      const stored = await cache?.store.tokens("fleet").catch((error: unknown) => {
        if (!(error instanceof SyncError)) throw error;
        log.warn("cluster-tokens-not-swept", { code: error.code, message: error.message });
        return undefined;
      });
      if (opened === undefined && (stored ?? []).length === 0) return;
      const minting = clusters.filter(({ connect }) => connect.vaultKubernetes !== undefined);
      await (await open()).sweep(new Set(minting.map(({ name }) => name)));
    },
    close: async () => (await opened)?.close(),
  };
}
