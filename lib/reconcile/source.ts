import { SyncError } from "../errors.ts";
import type { ReadAgain } from "../kinds/kind.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { SourceData, VaultIdentity, VaultRead } from "../ports/vault.ts";
import { readId } from "../ports/vault-ids.ts";
import type { CaCache } from "../references/ca-cache.ts";

/** Reads each Vault path once per identity and batch: sharers get the same answer, also of each repetition. */
export interface SourceReader {
  read(read: VaultRead, signal: AbortSignal, again?: ReadAgain): Promise<SourceData>;
}

/** One reader per batch. */
export function sourceReader(deps: Pick<ReconcileDeps, "vault" | "sleep">, ca: CaCache): SourceReader {
  const reads = new Map<string, Promise<SourceData>>();
  const shared = (key: string, work: () => Promise<SourceData>): Promise<SourceData> => {
    const started = reads.get(key) ?? work();
    reads.set(key, started);
    return started;
  };
  const ask = async (read: VaultRead, signal: AbortSignal): Promise<SourceData> => {
    const { target } = read.identity;
    const identity: VaultIdentity = { ...read.identity, target: await ca.resolve(target, signal) };
    try {
      return await deps.vault.read({ ...read, identity }, signal);
    } catch (error) {
      if (error instanceof SyncError && error.code === "VAULT_TLS_REFUSED") ca.refused(target);
      throw error;
    }
  };
  return {
    async read(read, signal, again) {
      const id = readId(read);
      let answer = shared(id, () => ask(read, signal));
      const { pauses = [] } = again ?? {};
      for (const [at, pause] of pauses.entries()) {
        if (signal.aborted || !(await again?.isOld(await outcomeOf(answer)))) break;
        answer = shared(`${id} ${pauses.join()} ${at}`, async () => {
          await deps.sleep(pause, signal);
          return ask(read, signal);
        });
      }
      return answer;
    },
  };
}

async function outcomeOf(answer: Promise<SourceData>): Promise<SourceData | SyncError> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}
