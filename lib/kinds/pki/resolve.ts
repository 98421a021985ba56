import { circuitOfVault } from "../../circuits.ts";
import { attempt } from "../../declarations/attempt.ts";
import { resolveIdentity } from "../../declarations/identity.ts";
import { type LookUp, lookUp } from "../../declarations/look-up.ts";
import { mustParseSpec } from "../../declarations/parse.ts";
import type { Resolution, ResolveInput } from "../../declarations/resolution.ts";
import { placeOfRead } from "../../declarations/source.ts";
import { parseDuration } from "../../duration.ts";
import { partsOf } from "../../keys.ts";
import { requestId } from "../../ports/vault-ids.ts";
import type { VaultRequest } from "../../ports/vault-issues.ts";
import type { Json } from "../../util/json.ts";
import type { ResolvedIssued } from "../issued/issuing-kind.ts";
import { destinationOf, mustBeStored, resolveTransformation, targetsOf } from "../shared/resolve.ts";
import type { DeclaredNames } from "./matches.ts";
import { requestOf } from "./request.ts";

/** A VaultPKISecret with all its references. */
export interface ResolvedPkiSecret extends ResolvedIssued {
  /** Replaced certificates are revoked, and the last one when the declaration goes. */
  readonly revoke: boolean;
  /** Undefined: a third of the lifetime. */
  readonly expiryOffsetMs: number | undefined;
  /** To compare with a certificate. */
  readonly names: DeclaredNames;
}

function resolve(input: ResolveInput, lookup: LookUp): ResolvedPkiSecret {
  const { declared, cluster } = input;
  mustBeStored(declared);
  const spec = mustParseSpec("VaultPKISecret", declared.spec);
  const identity = resolveIdentity(lookup, spec.vaultAuthRef, partsOf(declared.key).namespace, cluster);
  const request = requestOf(spec);
  const transformation = resolveTransformation(input, spec.destination.transformation, lookup);
  return {
    asks: {
      identity,
      circuit: circuitOfVault(identity.target.address),
      place: placeOfRead({ identity, ...request }, cluster.vaults),
      // Computed only for failures.
      get id() {
        return requestId(identity, request);
      },
    },
    request,
    destination: destinationOf(spec.destination, declared.uid),
    // The time of the next issue comes from the certificate.
    refreshAfterMs: undefined,
    hmac: true,
    rolloutTargets: targetsOf(spec.rolloutRestartTargets),
    transformation,
    // Certificates are replaced at their own time; a lease only tells when its token must be renewed.
    renewalPercent: RENEWAL_PERCENT,
    revokesReplaced: spec.revoke ?? false,
    cause: causeOf(request),
    revoke: spec.revoke ?? false,
    ...(spec.clear && !spec.destination.create ? { blanks: spec.destination.name } : {}),
    expiryOffsetMs: parseDuration(spec.expiryOffset) || undefined,
    names: spec,
  };
}

const RENEWAL_PERCENT = 67;

/** Names are compared with the certificate itself, so that what it has already is not issued again. */
const NAMES: ReadonlySet<string> = new Set([
  ...["common_name", "alt_names", "ip_sans", "uri_sans", "other_sans", "user_ids", "exclude_cn_from_sans"],
]);

function causeOf({ body = {}, ...request }: VaultRequest): Json {
  const rest = Object.fromEntries(Object.entries(body).filter(([name]) => !NAMES.has(name)));
  return { ...request, body: rest } as unknown as Json;
}

/**
 * Combines a declaration and its references. Never throws a SyncError: `outcome` contains it, beside the references.
 */
export function resolvePkiSecret(input: ResolveInput): Resolution<ResolvedPkiSecret> {
  const lookup = lookUp(input.cluster, input.reference);
  const outcome = attempt(() => resolve(input, lookup));
  return { refs: [...lookup.refs], outcome };
}
