import { fingerprint } from "../digest.ts";
import { parseObjectRef } from "../names.ts";
import type { ClusterSettings, JsonObject, VaultRead } from "../reconcile/ports.ts";
import { normalAddress } from "../vault-address.ts";
import { trimSlashes } from "./identity.ts";

/** What a change event names: a path in a Vault. */
export interface SourcePlace {
  readonly address: string;
  /** Vault namespace; empty is the root. */
  readonly namespace: string;
  readonly mount: string;
  readonly path: string;
}

/** The value of the index that change events are looked up in. */
export function sourceOfPlace(place: SourcePlace): string {
  const { address, namespace, mount, path } = place;
  return fingerprint("source", normalAddress(address), trimSlashes(namespace), trimSlashes(mount), trimSlashes(path));
}

/** What a read reads, whoever reads it. */
export function sourceOf(read: VaultRead): string {
  const namespace = read.namespace ?? read.identity.namespace ?? "";
  return sourceOfPlace({ address: read.identity.target.address, namespace, mount: read.mount, path: read.path });
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
 * Syncs of one group can share a Vault read: same cluster, VaultAuth, namespace and path (lease-table 11). Made of what a
 * declaration names, resolved or not, and never fails; other kinds than static secrets share nothing but a message.
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
