import type { SyncKey } from "../../keys.ts";
import type { ResolvedIssued } from "../../kinds/issued/issuing-kind.ts";
import type { Resolved } from "../../kinds/kind.ts";
import type { VaultIdentity, VaultRead } from "../../ports/vault.ts";

/** One permission in Vault, at a path as the login's Vault namespace sees it. */
export interface VaultRight {
  readonly path: string;
  readonly capability: "read" | "update";
  readonly by?: SyncKey;
}

/** What a declaration asks of its Vault. */
export function vaultRights(resolved: Resolved, { namespace: login }: VaultIdentity): readonly VaultRight[] {
  if (isStatic(resolved)) {
    const { engine, mount, path, namespace = login } = resolved.read;
    const inside = engine === "kv-v2" ? `${mount}/data/${path}` : `${mount}/${path}`;
    return [{ path: `${below(login, namespace)}${inside}`, capability: "read" }];
  }
  if (!isIssued(resolved)) return [];
  const { request } = resolved;
  const place = below(login, request.namespace ?? login);
  return [
    { path: `${place}${request.mount}/${request.path}`, capability: request.method === "GET" ? "read" : "update" },
    { path: `${place}sys/leases/renew`, capability: "update" },
    { path: "auth/token/renew-self", capability: "update" },
    { path: "auth/token/revoke-self", capability: "update" },
  ];
}

function isStatic(resolved: Resolved): resolved is Resolved & { readonly read: VaultRead } {
  return "read" in resolved;
}

function isIssued(resolved: Resolved): resolved is ResolvedIssued {
  return "request" in resolved;
}

/** A token asks about paths of its namespace, so those of a namespace below have a prefix. */
function below(login = "", namespace = ""): string {
  const [outer, inner] = [bare(login), bare(namespace)];
  return inner.startsWith(outer) ? inner.slice(outer.length) : inner;
}

function bare(namespace: string): string {
  const name = namespace.replaceAll(/^\/+|\/+$/g, "");
  return name === "" ? "" : `${name}/`;
}
