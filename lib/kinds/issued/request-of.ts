import { fingerprint } from "../../digest.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { canonical } from "../../util/canonical.ts";
import type { Json } from "../../util/json.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";

/** Everything whose change issues anew. Labels, annotations, targets and the renewal's share do not. */
export function requestOf({ asks, destination, cause }: ResolvedIssued): string {
  const { name, type, create } = destination;
  return fingerprint(canonical({ login: loginOf(asks.identity), name, type, create, cause }));
}

/** The login, without the versions of the resources that say it. */
function loginOf({ target: { address }, namespace = "", mount, headers, method }: VaultIdentity): Json {
  const { credential, ...rest } = method;
  const { version: _version, ...place }: typeof credential & { readonly version?: string } = credential;
  return { address, namespace, mount, headers, place: { ...place }, method: { ...rest } } as unknown as Json;
}
