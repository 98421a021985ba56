import { SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { SourceData, VaultIdentity, VaultRead } from "../ports/vault.ts";
import { readId } from "../ports/vault-ids.ts";
import type { CaCache } from "../references/ca-cache.ts";

/** Reads each Vault path once per identity and batch: sharers get the same answer. */
export interface SourceReader {
  read(read: VaultRead, signal: AbortSignal): Promise<SourceData>;
}

/** One reader per batch. */
export function sourceReader(deps: Pick<ReconcileDeps, "vault">, ca: CaCache): SourceReader {
  const reads = new Map<string, Promise<SourceData>>();
  return {
    read(read, signal) {
      const key = readId(read);
      const known = reads.get(key);
      if (known !== undefined) return known;
      const started = (async () => {
        const { target } = read.identity;
        const identity: VaultIdentity = { ...read.identity, target: await ca.resolve(target, signal) };
        try {
          return await deps.vault.read({ ...read, identity }, signal);
        } catch (error) {
          if (error instanceof SyncError && error.code === "VAULT_TLS_REFUSED") ca.refused(target);
          throw error;
        }
      })();
      reads.set(key, started);
      return started;
    },
  };
}
