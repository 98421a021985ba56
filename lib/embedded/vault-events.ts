import { isDeepStrictEqual } from "node:util";
import type { ReadLine } from "../nudging/deps.ts";
import { doubtsOf } from "../nudging/doubts.ts";
import { createInlet } from "../nudging/inlet.ts";
import { warnOfOneVault } from "../nudging/same-vault.ts";
import { resumeSweeps, sweepsOf } from "../nudging/sweep.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import type { Inlet } from "../ports/inlet.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { vaultLabel } from "../vault-label.ts";

/** What the engine does with events of Vaults. */
export interface VaultEvents {
  /** Goes on with what the last process has begun. */
  resume(): Promise<void>;
  /** Looks at all rows of a Vault, in place of what found no room. */
  sweep(vault: string): Promise<void>;
  inlet(vault: string, readLine: ReadLine): Inlet;
  /** Warns of names that lead to one Vault, once for each change of the Vaults in fleet.yaml. Never fails. */
  checkNames(signal: AbortSignal): Promise<void>;
}

export function vaultEvents(
  deps: ReconcileDeps,
  ca: CaCache,
  vaults: () => readonly FleetVault[] | undefined,
): VaultEvents {
  const doubtTokens = doubtsOf(deps.vault, vaults);
  let checked: readonly FleetVault[] = [];
  return {
    inlet: (vault, readLine) => createInlet({ ...deps, ...metricsOf(deps, vault), readLine, doubtTokens }, vault),
    sweep: (vault) => sweepsOf(deps, vault).request("overflow"),
    resume: () =>
      resumeSweeps(
        deps,
        (vaults() ?? []).map(({ name }) => name),
      ),
    async checkNames(signal) {
      const now = vaults() ?? [];
      if (isDeepStrictEqual(now, checked)) return;
      checked = now;
      await warnOfOneVault(deps, ca, now, signal);
    },
  };
}

function metricsOf({ metrics }: ReconcileDeps, vault: string): Pick<ReconcileDeps, "metrics"> {
  const count: typeof metrics.count = (name, labels, times) =>
    metrics.count(name, { ...labels, vault: vaultLabel(vault) }, times);
  return { metrics: { ...metrics, count } };
}
