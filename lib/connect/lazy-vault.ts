import { SyncError } from "../errors.ts";
import { isHubCopy } from "./hub-copies.ts";
import type { SweptFleet } from "./swept-fleet.ts";
import type { VaultAccess, VaultAccessOptions } from "./vault-access.ts";

/** The access to Vaults for connections: opened by the first cluster that needs it. */
export interface LazyVault {
  open(): Promise<VaultAccess>;
  /**
   * Forgets the shared tokens of clusters (and hubs) that left the fleet, or that connect in another way now. Not while
   * a part of the fleet is unread.
   */
  sweep(fleet: SweptFleet): Promise<void>;
  /** Closes what was opened, after a sweep that is under way. */
  close(): Promise<void>;
}

export function lazyVault(options: () => VaultAccessOptions): LazyVault {
  let opened: Promise<VaultAccess> | undefined;
  const open = (): Promise<VaultAccess> => {
    opened ??= import("./vault-access.ts").then(({ vaultAccess }) => vaultAccess(options()));
    return opened;
  };
  let swept: Promise<void> = Promise.resolve();
  const sweep = async ({ clusters, unread = [] }: SweptFleet): Promise<void> => {
    if (unread.length > 0) return;
    const { cache, log } = options();
    const stored = await cache?.store.tokens("fleet").catch((error: unknown) => {
      if (!(error instanceof SyncError)) throw error;
      log.warn("cluster-tokens-not-swept", { code: error.code, message: error.message });
      return undefined;
    });
    if (opened === undefined && (stored ?? []).every(isHubCopy)) return;
    const minting = clusters.filter(({ connect }) => connect.vaultKubernetes !== undefined);
    await (await open()).sweep(new Set(minting.map(({ name }) => name)));
  };
  return {
    open,
    sweep(fleet) {
      // A failed sweep is its caller's: the next one begins anew.
      swept = swept.catch(() => undefined).then(() => sweep(fleet));
      return swept;
    },
    async close() {
      await swept.catch(() => undefined);
      await (await opened)?.close();
    },
  };
}
