import { circuitOfVault } from "../../circuits.ts";
import { MINUTE_MS } from "../../clock.ts";
import { attempt } from "../../declarations/attempt.ts";
import { resolveIdentity, trimSlashes } from "../../declarations/identity.ts";
import { type LookUp, lookUp } from "../../declarations/look-up.ts";
import { mustParseSpec, type SpecOf } from "../../declarations/parse.ts";
import type { Resolution, ResolveInput } from "../../declarations/resolution.ts";
import { placeOfRead } from "../../declarations/source.ts";
import type { WantedSecret } from "../../destinations/kubernetes-secret/state.ts";
import { parseDuration } from "../../duration.ts";
import { partsOf, type SyncKey } from "../../keys.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { VaultIdentity, VaultRead } from "../../ports/vault.ts";
import { readId } from "../../ports/vault-ids.ts";
import type { Transformation } from "../../transform/transformation.ts";
import type { AskedVault, Resolved } from "../kind.ts";
import { destinationOf, mustBeStored, resolveTransformation, targetsOf } from "../shared/resolve.ts";
import { decodesBase64 } from "./decoded.ts";

/** A VaultStaticSecret with all its references: only Vault and the cluster remain to be read. */
export interface ResolvedStaticSecret extends Resolved {
  readonly asks: AskedVault;
  readonly read: VaultRead;
  readonly destination: WantedSecret;
  readonly transformation: Transformation;
  /** It asks to be told by the events of its Vault. */
  readonly instantUpdates: boolean;
  /** Fields that a push wrote as base64 become bytes again. */
  readonly decodesBase64: boolean;
}

/** VSO's refresh interval for a static secret without one, if it has a MAC. */
const DEFAULT_REFRESH_MS = MINUTE_MS;

function refreshOf(spec: SpecOf<"VaultStaticSecret">): number | undefined {
  const declaredMs = parseDuration(spec.refreshAfter ?? "0s") ?? 0;
  if (declaredMs > 0) return declaredMs;
  return spec.hmacSecretData ? DEFAULT_REFRESH_MS : undefined;
}

function readOf(
  spec: SpecOf<"VaultStaticSecret">,
  identity: VaultIdentity,
  cluster: ClusterSettings,
  by: SyncKey,
): VaultRead {
  const namespace = trimSlashes(spec.namespace ?? "");
  return {
    identity,
    by,
    ...(namespace === "" ? {} : { namespace }),
    mount: trimSlashes(spec.mount),
    path: trimSlashes(spec.path),
    engine: spec.type,
    version: spec.type === "kv-v2" ? (spec.version ?? 0) : 0,
    ...(cluster.vault?.onDeleted === "follow" ? { followDeleted: true } : {}),
  };
}

function resolve(input: ResolveInput, lookup: LookUp): ResolvedStaticSecret {
  const { declared, cluster } = input;
  const { namespace } = partsOf(declared.key);
  mustBeStored(declared);
  const spec = mustParseSpec("VaultStaticSecret", declared.spec);
  const identity = resolveIdentity(lookup, spec.vaultAuthRef, namespace, cluster);
  const read = readOf(spec, identity, cluster, declared.key);
  return {
    asks: {
      identity,
      circuit: circuitOfVault(identity.target.address),
      place: placeOfRead(read, cluster.vaults),
      // Computed only for failures.
      get id() {
        return readId(read);
      },
    },
    read,
    destination: destinationOf(spec.destination, declared.uid),
    refreshAfterMs: refreshOf(spec),
    hmac: spec.hmacSecretData,
    transformation: resolveTransformation(input, spec.destination.transformation, lookup),
    decodesBase64: decodesBase64(declared.annotations),
    instantUpdates: spec.syncConfig?.instantUpdates ?? false,
    // None without a MAC, as in VSO.
    rolloutTargets: spec.hmacSecretData ? targetsOf(spec.rolloutRestartTargets) : [],
  };
}

/**
 * Combines a declaration and its references. Never throws a SyncError: `outcome` contains it, beside the references.
 */
export function resolveStaticSecret(input: ResolveInput): Resolution<ResolvedStaticSecret> {
  const lookup = lookUp(input.cluster, input.reference);
  const outcome = attempt(() => resolve(input, lookup));
  return { refs: [...lookup.refs], outcome };
}
