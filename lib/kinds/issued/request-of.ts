import { fingerprint } from "../../digest.ts";
import type { MissingKey } from "../../ports/templates.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { canonical } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";

/** Everything whose change issues anew. Labels, annotations, targets and the renewal's share do not. */
export function requestOf({ asks, destination, cause: request, transformation }: ResolvedIssued): string {
  const { name, type, create } = destination;
  const cause = { request, transformation } as unknown as Json;
  return fingerprint(canonical({ login: loginOf(asks.identity), name, type, create, cause }));
}

const OTHER_MISSING_KEY: Readonly<Record<MissingKey, MissingKey>> = { default: "error", error: "default" };

/**
 * A known request, as it reads by the cluster's present `missingKey`: that is a setting of all its templates, whose
 * switch would issue every credential of a cluster at once. It holds from the next one.
 */
export function requestNow(known: string, resolved: ResolvedIssued): string {
  const { transformation } = resolved;
  const missingKey = OTHER_MISSING_KEY[transformation.missingKey];
  const switched = requestOf({ ...resolved, transformation: { ...transformation, missingKey } });
  return known === switched ? requestOf(resolved) : known;
}

/** The login, without the versions of the resources that say it. */
export function loginOf({ target: { address }, namespace = "", mount, headers, method }: VaultIdentity): Json {
  const { credential, ...rest } = method;
  const { version: _version, ...place }: typeof credential & { readonly version?: string } = credential;
  return { address, namespace, mount, headers, place: { ...place }, method: { ...rest } } as unknown as Json;
}
