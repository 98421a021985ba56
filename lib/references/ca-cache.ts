import { type EpochMs, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { CredentialRef } from "../ports/credentials.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { VaultTarget } from "../ports/vault.ts";
import { sizeText } from "../util/bounded-body.ts";

/** How long a CA bundle from a Secret is used before it is read again. */
const CA_MAX_AGE_MS = 5 * MINUTE_MS;
/** Of a Secret, which a tenant may write: all public CAs together have less. */
const MAX_BYTES = 512 * 1_024;
/** Of all bundles that are kept: each version of a Secret is one of them. */
const MAX_KEPT_CHARS = 32 * 1_024 * 1_024;

export interface CaCache {
  resolve(target: VaultTarget, signal: AbortSignal): Promise<VaultTarget>;
  /** Drops the cached bundle after a TLS failure, because it may have been replaced. */
  refused(target: VaultTarget): void;
}

type CaRef = NonNullable<VaultTarget["caRef"]>;

interface Kept {
  readonly pem: Promise<string>;
  readonly at: EpochMs;
  /** 0 until it is read. */
  chars: number;
}

/** Drops bundles that are too old, and the oldest of those that are too many. */
function dropOld(known: Map<string, Kept>, now: EpochMs): void {
  let room = MAX_KEPT_CHARS;
  for (const [name, { chars, at }] of [...known].reverse()) {
    room -= chars;
    if (room < 0 || now - at >= CA_MAX_AGE_MS) known.delete(name);
  }
}

/**
 * Caches CA bundles from Secrets of VaultConnections and files of fleet.yaml for five minutes, up to 32 MiB. Throws
 * REFERENCE_INVALID for a Secret's bundle that is no PEM certificate or has more than 512 KiB.
 */
export function caCache(deps: Pick<ReconcileDeps, "credentials" | "clock" | "anchors">): CaCache {
  const known = new Map<string, Kept>();
  const fetchPem = async (ref: CredentialRef, signal: AbortSignal): Promise<string> => {
    const { value } = await deps.credentials.credential(ref, signal);
    if (value.byteLength > MAX_BYTES) {
      throw new SyncError(
        "REFERENCE_INVALID",
        `Secret ${ref.namespace}/${ref.name} has more than ${sizeText(MAX_BYTES)} under ca.crt: leave only the CA certificates of the VaultConnection's Vault there`,
      );
    }
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
    const entry: Kept = { pem: fetch(), at: deps.clock(), chars: 0 };
    // The newest ones stand last.
    known.delete(name);
    known.set(name, entry);
    entry.pem.then(
      ({ length }) => {
        entry.chars = length;
        dropOld(known, deps.clock());
      },
      () => known.delete(name),
    );
    return entry.pem;
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
