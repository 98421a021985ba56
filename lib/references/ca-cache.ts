import { type EpochMs, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { CredentialRef } from "../ports/credentials.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { VaultTarget } from "../ports/vault.ts";

/** How long a CA bundle from a Secret is used before it is read again. */
const CA_MAX_AGE_MS = 5 * MINUTE_MS;

export interface CaCache {
  resolve(target: VaultTarget, signal: AbortSignal): Promise<VaultTarget>;
  /** Drops the cached bundle after a TLS failure, because it may have been replaced. */
  refused(target: VaultTarget): void;
}

type CaRef = NonNullable<VaultTarget["caRef"]>;

/** Caches CA bundles from Secrets of VaultConnections and files of fleet.yaml for five minutes. */
export function caCache(deps: Pick<ReconcileDeps, "credentials" | "clock" | "anchors">): CaCache {
  const known = new Map<string, { pem: Promise<string>; at: EpochMs }>();
  const fetchPem = async (ref: CredentialRef, signal: AbortSignal): Promise<string> => {
    const { value } = await deps.credentials.credential(ref, signal);
    const pem = value.reveal().toString("utf8");
    if (!pem.includes("-----BEGIN CERTIFICATE-----")) {
      throw new SyncError(
        "REFERENCE_INVALID",
        `Secret ${ref.namespace}/${ref.name} holds no PEM certificate under ca.crt: the VaultConnection's caCertSecretRef needs one`,
      );
    }
    return pem;
  };
  const keptPem = (name: string, fetch: () => Promise<string>): Promise<string> => {
    const kept = known.get(name);
    if (kept && deps.clock() - kept.at < CA_MAX_AGE_MS) return kept.pem;
    const pem = fetch();
    known.set(name, { pem, at: deps.clock() });
    pem.catch(() => known.delete(name));
    return pem;
  };
  const ofVault = async (vault: string, signal: AbortSignal): Promise<string> => {
    if (deps.anchors) return deps.anchors(vault, signal);
    throw new SyncError("REFERENCE_INVALID", `the caFile of Vault ${vault} can't be read here`);
  };
  const nameOf = ({ cluster, namespace, name, version = "" }: CaRef) => `${cluster}/${namespace}/${name} ${version}`;
  return {
    refused({ caRef }) {
      if (caRef !== undefined) known.delete(nameOf(caRef));
    },
    async resolve(target, signal) {
      const { caRef, caOf, ...rest } = target;
      if (target.skipTlsVerify) return rest;
      if (caRef !== undefined) {
        return { ...rest, caPem: await keptPem(nameOf(caRef), () => fetchPem(caRef, signal)) };
      }
      if (caOf === undefined) return rest;
      return { ...rest, caPem: await keptPem(`file ${caOf}`, () => ofVault(caOf, signal)) };
    },
  };
}
