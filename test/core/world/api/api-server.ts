import { fingerprint } from "../../../../lib/digest.ts";
import type { KubeCall } from "../../../../lib/kubernetes/kube-call.ts";
import { apiVersionOf } from "../../../../lib/resource-kinds.ts";
import type { WorldTime } from "../time.ts";
import { mustBeAllowed, type Who } from "./access.ts";
import { isObject, type Json } from "./fields.ts";
import { BUILT_IN, DECLARED_KINDS, definedKind, type ServedKind } from "./kinds.ts";
import { listOf } from "./listing.ts";
import { type Objects, objects as openObjects, type Stored } from "./objects.ts";
import { unknownKind } from "./refusals.ts";
import { serviceAccountToken } from "./tokens.ts";
import { mustBeSmall } from "./validation.ts";
import { type Writes, writes } from "./writes.ts";

export interface ApiServerOptions {
  readonly name: string;
  readonly time: WorldTime;
  /** Kinds that it serves beside the built-in ones; those that syncs are declared with when not given. */
  readonly kinds?: readonly ServedKind[];
  /** A new owner reference on an existing object needs the right to delete it, as with OwnerReferencesPermissionEnforcement. */
  readonly guardsOwners?: boolean;
}

/** An API server in memory: what keyferry and its tests ask of one, answered as a real one does. */
export interface ApiServer {
  readonly name: string;
  readonly objects: Objects;
  readonly writes: Writes;
  /** Answers a call, or throws Refused. */
  serve(call: KubeCall, who: Who): Json;
  /** Throws when the call may not be made, or its kind is not served. */
  admit(call: KubeCall, who: Who): ServedKind;
  /** The kind of this name; undefined when it is not served. */
  kindOf(apiVersion: string, kind: string): ServedKind | undefined;
  /** From now on it serves other kinds. */
  serveKinds(change: (kinds: readonly ServedKind[]) => readonly ServedKind[]): void;
}

export const METADATA_ONLY = /as=PartialObjectMetadata(List)?\b/;

export function apiServer(options: ApiServerOptions): ApiServer {
  const { name, time } = options;
  const objects = openObjects();
  let kinds: readonly ServedKind[] = [...BUILT_IN, ...(options.kinds ?? DECLARED_KINDS)];
  let made = 0;
  const salt = fingerprint(name).slice(0, 8);
  const newUid = (): string => `${salt}-0000-4000-8000-${String(++made).padStart(12, "0")}`;
  const writing = writes({ objects, time, newUid, guardsOwners: options.guardsOwners ?? false });

  const admit = (call: KubeCall, who: Who): ServedKind => {
    const { group, resource } = call.kind;
    const found = kinds.find((kind) => kind.group === group && kind.resource === resource);
    if (!found) throw unknownKind(kinds.some((kind) => kind.group === group));
    mustBeAllowed(objects, call, who);
    return found;
  };
  const answer = (call: KubeCall, who: Who): Json => {
    const kind = admit(call, who);
    mustBeSmall(call.body);
    switch (call.verb) {
      case "get":
        return writing.present(kind, call.namespace, call.name ?? "");
      case "list":
      case "watch":
        return listOf(objects, kind, call);
      case "create":
        if (call.subresource === "token") return tokenFor(kind, call);
        return created(kind, call, who);
      case "patch":
        return writing.patch(kind, call, who);
      case "delete":
        return writing.remove(kind, call);
      default:
        return call.verb satisfies never;
    }
  };
  const tokenFor = (kind: ServedKind, call: KubeCall): Json => {
    writing.mayBeMade(kind, call.namespace);
    return serviceAccountToken({ name, time }, writing.present(kind, call.namespace, call.name ?? ""), call.body);
  };
  const created = (kind: ServedKind, call: KubeCall, who: Who): Json => {
    const stored = writing.create(kind, call, who);
    noticeDefinition(stored);
    if (kind.resource === "namespaces" && call.query?.dryRun === undefined) furnish(stored.metadata.name);
    return stored;
  };
  const noticeDefinition = (stored: Json): void => {
    if (stored.kind !== "CustomResourceDefinition") return;
    const kind = definedKind(stored);
    if (kind)
      kinds = [...kinds.filter(({ group, resource }) => group !== kind.group || resource !== kind.resource), kind];
  };
  const furnish = (namespace: string): void => {
    const account = BUILT_IN.find(({ resource }) => resource === "serviceaccounts");
    if (account && !objects.get(account, namespace, "default")) {
      writing.create(
        account,
        { cluster: name, verb: "create", kind: account, namespace, body: { metadata: { name: "default", namespace } } },
        "admin",
      );
    }
  };
  const server: ApiServer = {
    name,
    objects,
    writes: writing,
    admit,
    serve(call, who) {
      const object = answer(call, who);
      // An apply may create namespaces and definitions as well.
      if (call.verb === "patch" && call.query?.dryRun === undefined) {
        noticeDefinition(object);
        if (call.kind.resource === "namespaces") furnish(String(Object(object.metadata).name));
      }
      // As it is stored: nothing that is stored is ever changed in place.
      return METADATA_ONLY.test(call.accept ?? "") ? metadataOnly(object) : object;
    },
    kindOf: (apiVersion, kind) => kinds.find((served) => served.kind === kind && apiVersionOf(served) === apiVersion),
    serveKinds(change) {
      kinds = change(kinds);
    },
  };
  for (const namespace of ["kube-system", "default"]) {
    const kind = BUILT_IN[0];
    if (kind) server.serve({ cluster: name, verb: "create", kind, body: { metadata: { name: namespace } } }, "admin");
  }
  return server;
}

/** Without spec, status and data: of a list, of each item. */
export function metadataOnly(object: Json): Json {
  if (Array.isArray(object.items)) {
    return { ...object, kind: "PartialObjectMetadataList", items: object.items.filter(isObject).map(metadataOnly) };
  }
  const { metadata } = object as Stored;
  return { apiVersion: "meta.k8s.io/v1", kind: "PartialObjectMetadata", metadata };
}
