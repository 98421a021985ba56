import type { KubeCall } from "../../../lib/kubernetes/kube-call.ts";
import type { ApiServer } from "./api/api-server.ts";
import { BUILT_IN, DECLARED_KINDS } from "./api/kinds.ts";

const VERBS: Readonly<Record<string, KubeCall["verb"]>> = {
  GET: "get",
  POST: "create",
  PATCH: "patch",
  DELETE: "delete",
};

/** The call that a method and a path of the Kubernetes API mean; undefined when the path is none. */
export function callOf(server: ApiServer, method: string, path: string): KubeCall | undefined {
  const url = new URL(path, "http://cluster.test");
  const [root, ...rest] = url.pathname
    .split("/")
    .filter((part) => part !== "")
    .map(decodeURIComponent);
  const [group = "", version = "", ...parts] = root === "api" ? ["", ...rest] : rest;
  const inNamespace = parts[0] === "namespaces" && parts.length > 2;
  const [resource = "", name, subresource] = inNamespace ? parts.slice(2) : parts;
  const known = [...BUILT_IN, ...DECLARED_KINDS].find((kind) => kind.group === group && kind.resource === resource);
  const kind = known ?? definedOf(server, group, version, resource);
  const verb = VERBS[method];
  if (kind === undefined || verb === undefined) return undefined;
  return {
    cluster: server.name,
    verb: verb === "get" && name === undefined ? "list" : verb,
    kind,
    ...(inNamespace ? { namespace: parts[1] ?? "" } : {}),
    ...(name === undefined ? {} : { name }),
    ...(subresource === undefined ? {} : { subresource }),
    query: Object.fromEntries(url.searchParams),
  };
}

function definedOf(server: ApiServer, group: string, version: string, resource: string) {
  const kinds = ["Rollout"].map((kind) => server.kindOf(`${group}/${version}`, kind));
  return kinds.find((kind) => kind?.resource === resource);
}
