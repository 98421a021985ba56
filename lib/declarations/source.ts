import { fingerprint } from "../digest.ts";
import { parseObjectRef } from "../names.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { FleetVault } from "../ports/fleet-vault.ts";
import type { Place } from "../ports/rows.ts";
import type { VaultRead } from "../ports/vault.ts";
import type { JsonObject } from "../util/json.ts";
import { normalAddress } from "../vault-address.ts";
import { trimSlashes } from "./identity.ts";

/** The Vault's name in fleet.yaml for this address; otherwise the normalised address. */
export function vaultName(vaults: readonly FleetVault[] = [], address: string): string {
  const normal = normalAddress(address);
  return vaults.find(({ addresses }) => addresses.includes(normal))?.name ?? normal;
}

/** The place of a read or a request, for any kind: change events find them by it. */
export function placeOfRead(
  read: Pick<VaultRead, "identity" | "namespace" | "mount" | "path">,
  vaults?: readonly FleetVault[],
): Place {
  const namespace = read.namespace ?? read.identity.namespace ?? "";
  const parts = [namespace, read.mount, read.path].map(trimSlashes).filter((part) => part !== "");
  return { vault: vaultName(vaults, read.identity.target.address), path: parts.join("/"), role: "read" };
}

function textOf(spec: JsonObject, field: string): string {
  const value = spec[field];
  return typeof value === "string" ? value : "";
}

/** The part of a declaration that says what it reads. */
export interface GroupMember {
  readonly kind: string;
  readonly namespace: string;
  readonly spec: JsonObject;
}

/**
 * Syncs of one group can share a Vault read: same cluster, VaultAuth, namespace and path (lease-table 11). Uses only
 * the names in a declaration, so it never fails; kinds other than static secrets share only a message.
 */
export function groupOf(cluster: Pick<ClusterSettings, "name" | "operatorNamespace">, member: GroupMember): string {
  const { kind, namespace, spec } = member;
  const text = textOf(spec, "vaultAuthRef");
  const auth = parseObjectRef(text, { namespace: cluster.operatorNamespace, name: "default" }, namespace);
  return fingerprint(
    cluster.name,
    kind,
    auth === undefined ? text : `${auth.namespace}/${auth.name}`,
    namespace,
    trimSlashes(textOf(spec, "namespace")),
    trimSlashes(textOf(spec, "mount")),
    trimSlashes(textOf(spec, "path") || textOf(spec, "role")),
  );
}
