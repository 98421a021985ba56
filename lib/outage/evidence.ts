import { circuitOfVault, clusterOfCircuit, vaultOfCircuit } from "../circuits.ts";
import { OUTAGE_CODES, SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { VaultTarget } from "../ports/vault.ts";
import type { CaCache } from "../references/ca-cache.ts";
import { addressAlone, type OutageDeps, vaultOutage } from "./vault-outage.ts";

/** How syncs reach the Vault of this circuit now. */
type TargetsNow = (circuit: string) => Promise<readonly VaultTarget[]>;

/** An outage as one sync met it, before it is confirmed. */
export interface Suspicion {
  /** The affected circuit. */
  readonly circuit: string;
  readonly error: SyncError;
  /** The Vault that the sync reads, if known. */
  readonly target: VaultTarget | undefined;
}

export interface Verdict {
  /** The sync's failure. */
  readonly error: SyncError;
  /** The outage with a message for all syncs; missing when only this sync's own request failed. */
  readonly outage?: SyncError;
}

/** Confirms outages, once for all syncs that meet the same one at once. */
export type Evidence = (suspicion: Suspicion, signal: AbortSignal) => Promise<Verdict>;

type Deps = OutageDeps & { readonly clusters?: Pick<ReconcileDeps["clusters"], "identity"> };

/** Probes the Vault or cluster itself, without any tenant's settings. */
export function evidence(deps: Deps, ca: CaCache, targetsNow: TargetsNow): Evidence {
  const underWay = new Map<string, Promise<SyncError | undefined>>();
  const ask = async ({ circuit, error, target }: Suspicion, signal: AbortSignal): Promise<SyncError | undefined> => {
    const cluster = clusterOfCircuit(circuit);
    if (cluster !== undefined && deps.clusters) return failureOf(deps.clusters.identity(cluster, signal));
    const address = vaultOfCircuit(circuit);
    if (address === undefined) return error;
    // The sync may read another Vault than the one that gives access to its cluster.
    const isIts = target !== undefined && circuitOfVault(target.address) === circuit;
    const asked = isIts ? target : addressAlone(address);
    return vaultOutage(deps, ca, [asked], () => targetsNow(circuit), signal);
  };
  return async (suspicion, signal) => {
    const { circuit, error } = suspicion;
    const asking = underWay.get(circuit) ?? ask(suspicion, signal);
    underWay.set(circuit, asking);
    try {
      const found = await asking;
      if (found === undefined) return { error: ownFailure(error) };
      // Another outage than the suspected one is not confirmed by this.
      const isAnother = found.circuit !== undefined && found.circuit !== circuit;
      if (!OUTAGE_CODES.has(found.code) || isAnother) return { error: found };
      return { error: found.code === error.code ? error : found, outage: found };
    } finally {
      if (underWay.get(circuit) === asking) underWay.delete(circuit);
    }
  };
}

async function failureOf(work: Promise<unknown>): Promise<SyncError | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}

/** The end is up, but did not answer this request: only this sync retries. */
function ownFailure({ code, message, cause, retryAfterMs }: SyncError): SyncError {
  const options = { cause, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (code === "VAULT_SEALED") {
    return new SyncError("VAULT_FAILED", `${message}, although it reports that it is unsealed`, options);
  }
  if (code === "KUBE_UNREACHABLE") {
    const remedy = "look for admission webhooks that do not answer";
    return new SyncError("KUBE_NO_ANSWER", `${message}, although it answers other requests: ${remedy}`, options);
  }
  const remedy = "check timeout, headers and tlsServerName of its VaultConnection, and any proxy in front of Vault";
  return new SyncError("VAULT_NO_ANSWER", `${message}, although it answers seal-status requests: ${remedy}`, options);
}
