import { mustParseSpec } from "../../declarations/parse.ts";
import { partsOf, type SyncKey } from "../../keys.ts";
import type { VaultIdentity } from "../../ports/vault.ts";
import { useOf, type VaultCapability, type VaultUse, vaultRights } from "../../rights/vault.ts";
import type { DeclaredSync } from "../declared-work.ts";

/** One permission in Vault, at a path as the login's Vault namespace sees it. */
export interface VaultRight {
  readonly path: string;
  readonly capability: VaultCapability;
  readonly by?: SyncKey;
}

/** `status --leases` needs the first, and this examination the second; what they need is no reason for a sync to fail. */
const NOT_FOR_SYNCS = new Set(["sys/leases/lookup", "sys/capabilities-self"]);

/** What a declaration asks of its Vault. */
export function neededOf(
  { key, spec }: Pick<DeclaredSync, "key" | "spec">,
  identity: VaultIdentity,
): readonly VaultRight[] {
  const use = used({ key, spec });
  if (use === undefined) return [];
  const { namespace: login = "" } = identity;
  return vaultRights([use], login)
    .filter(({ path }) => !NOT_FOR_SYNCS.has(path))
    .flatMap(({ namespace = login, path, capabilities }) =>
      capabilities.map((capability) => ({ path: `${below(login, namespace)}${path}`, capability, by: key })),
    );
}

/** Whether a certificate is revoked by its number depends on its role in Vault (`generate_lease`), so that is not asked. */
function used({ key, spec }: Pick<DeclaredSync, "key" | "spec">): VaultUse | undefined {
  const { kind } = partsOf(key);
  switch (kind) {
    case "VaultStaticSecret":
      return useOf({ kind, spec: mustParseSpec(kind, spec) });
    case "VaultDynamicSecret":
      return useOf({ kind, spec: mustParseSpec(kind, spec) });
    case "VaultPKISecret":
      return useOf({ kind, spec: { ...mustParseSpec(kind, spec), revoke: false } });
    default:
      return undefined;
  }
}

/** A token asks about paths of its namespace, so those of a namespace below have a prefix. */
function below(login: string, namespace: string): string {
  const [outer, inner] = [bare(login), bare(namespace)];
  return inner.startsWith(outer) ? inner.slice(outer.length) : inner;
}

function bare(namespace: string): string {
  const name = namespace.replaceAll(/^\/+|\/+$/g, "");
  return name === "" ? "" : `${name}/`;
}
