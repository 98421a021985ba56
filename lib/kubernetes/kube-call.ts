import type { KindRef } from "../resource-kinds.ts";
import { rememberedOf } from "../util/remembered.ts";

export const NAMESPACE: KindRef = { group: "", version: "v1", resource: "namespaces", kind: "Namespace" };

/** One request to an API server, in Kubernetes' own words, for messages and metrics. */
export interface KubeCall {
  readonly cluster: string;
  readonly verb: "get" | "list" | "watch" | "create" | "patch" | "delete";
  readonly kind: KindRef;
  readonly subresource?: string;
  /** Missing: all namespaces, or a cluster-scoped kind. */
  readonly namespace?: string;
  readonly name?: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly accept?: string;
  readonly contentType?: string;
  readonly body?: unknown;
}

const MIB = 1_024 * 1_024;

/** For an object, and for a line of a watch. etcd accepts 1.5 MiB; fully escaped JSON may be longer. */
export const MAX_OBJECT_BYTES = 4 * MIB;

/** For a list: 500 declarations take 1 to 2 MiB. Larger ones come in smaller pages. */
export const MAX_PAGE_BYTES = 8 * MIB;

/** The maximum length of an answer in bytes; the rest is not read. */
export function maxBytesOf(call: KubeCall): number {
  return call.verb === "list" ? MAX_PAGE_BYTES : MAX_OBJECT_BYTES;
}

export type HttpMethod = "GET" | "POST" | "PATCH" | "DELETE";

const METHODS: Readonly<Record<KubeCall["verb"], HttpMethod>> = {
  get: "GET",
  list: "GET",
  watch: "GET",
  create: "POST",
  patch: "PATCH",
  delete: "DELETE",
};

export function methodOf(call: KubeCall): HttpMethod {
  return METHODS[call.verb];
}

/** Path and query, below the server's address. */
export function pathOf(call: KubeCall): string {
  const { group, version, resource } = call.kind;
  const parts = group === "" ? ["", "api", version] : ["", "apis", group, version];
  if (call.namespace !== undefined) parts.push("namespaces", encodeURIComponent(call.namespace));
  parts.push(resource);
  if (call.name !== undefined) parts.push(encodeURIComponent(call.name));
  if (call.subresource !== undefined) parts.push(call.subresource);
  return `${parts.join("/")}${call.query === undefined ? "" : `?${queryOf(call.query).text}`}`;
}

/** The same query is part of thousands of requests, and to encode it costs as much as to send it. */
const queryOf = rememberedOf((query: NonNullable<KubeCall["query"]>) => ({ text: `${new URLSearchParams(query)}` }));

/** `secrets`, `vaultstaticsecrets/status`: as roles spell it. */
export function resourceOf(call: KubeCall): string {
  return call.subresource === undefined ? call.kind.resource : `${call.kind.resource}/${call.subresource}`;
}

/** `secrets pay/db in cluster prod-eu`: for messages. */
export function objectOf(call: KubeCall): string {
  const name = [call.namespace, call.name].filter((part) => part !== undefined).join("/");
  return `${resourceOf(call)}${name === "" ? "" : ` ${name}`} in cluster ${call.cluster}`;
}

/** The permission that a call needs: `patch secrets in namespace pay of cluster prod-eu`. */
export function permissionOf(call: KubeCall): string {
  const place = call.namespace === undefined ? "" : ` in namespace ${call.namespace}`;
  return `${call.verb} ${resourceOf(call)}${place} of cluster ${call.cluster}`;
}

/** Accepts metadata only, with no fallback, so that an answer never holds a Secret's data by accident. */
export function metadataAs(kind: "PartialObjectMetadata" | "PartialObjectMetadataList"): string {
  return `application/json;as=${kind};g=meta.k8s.io;v=v1`;
}

/** Reads the namespace kube-system, whose uid tells clusters apart. */
export function identityCall(cluster: string): KubeCall {
  return { cluster, verb: "get", kind: NAMESPACE, name: "kube-system", accept: metadataAs("PartialObjectMetadata") };
}
