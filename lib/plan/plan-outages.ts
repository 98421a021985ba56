import { OUTAGE_CODES, SyncError } from "../errors.ts";
import { evidence } from "../outage/evidence.ts";
import type { OutageDeps } from "../outage/vault-outage.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";

/** Vaults and clusters that were out of reach during planning: each costs one time-out, not one per sync. */
export interface PlanOutages {
  /** The outage of one of these circuits, if any. */
  among(circuits: readonly (string | undefined)[]): SyncError | undefined;
  /**
   * Classifies a failure as a run does: a Vault's outage counts for all its syncs only if it does not answer us either.
   */
  classify(error: unknown, target: VaultTarget | undefined, signal: AbortSignal): Promise<unknown>;
}

export function planOutages(deps: OutageDeps, ca: CaCache): PlanOutages {
  const known = new Map<string, SyncError>();
  const classify = evidence(deps, ca, async () => []);
  return {
    among: (circuits) =>
      circuits
        .map((circuit) => (circuit === undefined ? undefined : known.get(circuit)))
        .find((outage) => outage !== undefined),
    async classify(error, target, signal) {
      if (!(error instanceof SyncError) || !OUTAGE_CODES.has(error.code)) return error;
      const { circuit } = error;
      if (circuit === undefined || known.has(circuit)) return error;
      const { outage, error: failure } = await classify({ circuit, error, target }, signal);
      if (outage) {
        known.set(circuit, outage);
        deps.vault.giveUp(outage);
      }
      return failure;
    },
  };
}
