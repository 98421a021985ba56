import { circuitOfVault } from "../../circuits.ts";
import { attempt } from "../../declarations/attempt.ts";
import { findAuth } from "../../declarations/find-auth.ts";
import { identityBy, trimSlashes } from "../../declarations/identity.ts";
import { type LookUp, lookUp } from "../../declarations/look-up.ts";
import { mustParseSpec, type SpecOf } from "../../declarations/parse.ts";
import type { Resolution, ResolveInput } from "../../declarations/resolution.ts";
import { placeOfRead } from "../../declarations/source.ts";
import { parseDuration } from "../../duration.ts";
import { partsOf } from "../../keys.ts";
import { requestId } from "../../ports/vault-ids.ts";
import type { VaultRequest } from "../../ports/vault-issues.ts";
import type { Json } from "../../util/json.ts";
import type { ResolvedIssued } from "../issued/issuing-kind.ts";
import { destinationOf, mustBeStored, resolveTransformation, targetsOf } from "../shared/resolve.ts";

/** A VaultDynamicSecret with all its references: only Vault and the cluster remain to be asked. */
export interface ResolvedDynamicSecret extends ResolvedIssued {
  /** The path may be a static role: its rotations are followed. */
  readonly allowStaticCreds: boolean;
}

/** As VSO: parameters, and POST, are sent as a body. */
function requestOf(spec: SpecOf<"VaultDynamicSecret">): VaultRequest {
  const { params = {}, requestHTTPMethod } = spec;
  const namespace = trimSlashes(spec.namespace ?? "");
  const sends = Object.keys(params).length > 0 || (requestHTTPMethod !== undefined && requestHTTPMethod !== "GET");
  return {
    ...(namespace === "" ? {} : { namespace }),
    mount: trimSlashes(spec.mount),
    path: trimSlashes(spec.path),
    ...(sends ? { method: "POST", body: params } : { method: "GET" }),
  };
}

function resolve(input: ResolveInput, lookup: LookUp): ResolvedDynamicSecret {
  const { declared, cluster } = input;
  const { namespace } = partsOf(declared.key);
  mustBeStored(declared);
  const spec = mustParseSpec("VaultDynamicSecret", declared.spec);
  const auth = findAuth(lookup, spec.vaultAuthRef, namespace, cluster);
  const identity = identityBy(auth, lookup, namespace, cluster);
  const request = requestOf(spec);
  const transformation = resolveTransformation(input, spec.destination.transformation, lookup);
  const refreshAfterMs = parseDuration(spec.refreshAfter ?? "0s") || undefined;
  return {
    asks: {
      identity,
      circuit: circuitOfVault(identity.target.address),
      place: placeOfRead({ identity, ...request }, cluster.vaults),
      get id() {
        return requestId(identity, request);
      },
    },
    request,
    auth: { uid: auth.object.uid, generation: auth.object.generation },
    destination: destinationOf(spec.destination, declared.uid),
    refreshAfterMs,
    hmac: spec.allowStaticCreds ?? false,
    rolloutTargets: targetsOf(spec.rolloutRestartTargets),
    renewalPercent: spec.renewalPercent,
    revokesReplaced: true,
    transformation,
    cause: { ...request } as unknown as Json,
    allowStaticCreds: spec.allowStaticCreds ?? false,
  };
}

/**
 * Combines a declaration and its references. Never throws a SyncError: `outcome` contains it, beside the references.
 */
export function resolveDynamicSecret(input: ResolveInput): Resolution<ResolvedDynamicSecret> {
  const lookup = lookUp(input.cluster, input.reference);
  const outcome = attempt(() => resolve(input, lookup));
  return { refs: [...lookup.refs], outcome };
}
