import { isDeepStrictEqual } from "node:util";
import type { KubeCall } from "../../../../lib/kubernetes/kube-call.ts";
import type { WorldTime } from "../time.ts";
import { isAllowed, mustBeAllowed, type Who } from "./access.ts";
import { afterUpdate, applied, entriesOf, isObject, type Json, type Writer } from "./fields.ts";
import { BUILT_IN, type ServedKind } from "./kinds.ts";
import type { Objects, Stored } from "./objects.ts";
import { jsonPatched, mergePatched, TestFailed } from "./patches.ts";
import { alreadyExists, conflict, forbidden, notFound, testFailed } from "./refusals.ts";
import { hasFinalizers, storing } from "./storing.ts";
import { mustBeValid, statusMustBeValid } from "./validation.ts";

export interface Writes {
  /** The object; throws 404. */
  present(kind: ServedKind, namespace: string | undefined, name: string): Stored;
  /** Throws where nothing new may be made: no such namespace, one that is on its way out, or a full one. */
  mayBeMade(kind: ServedKind, namespace: string | undefined): void;
  create(kind: ServedKind, call: KubeCall, who: Who): Stored;
  patch(kind: ServedKind, call: KubeCall, who: Who): Stored;
  remove(kind: ServedKind, call: KubeCall): Json;
  /** Writes an object as a controller of the cluster does. */
  update(kind: ServedKind, before: Stored, next: Json, manager: string): Stored;
  /** Deletes, or marks as on its way out what a finalizer holds. */
  end(kind: ServedKind, object: Stored): void;
}

interface Deps {
  readonly objects: Objects;
  readonly time: WorldTime;
  readonly newUid: () => string;
  readonly guardsOwners: boolean;
}

function builtIn(resource: string): ServedKind {
  const found = BUILT_IN.find((kind) => kind.resource === resource);
  if (!found) throw new Error(`no built-in kind ${resource}`);
  return found;
}

const NAMESPACE = builtIn("namespaces");
const QUOTA = builtIn("resourcequotas");
const CONTROLLER = "kube-controller-manager";

export function writes(deps: Deps): Writes {
  const { objects, time, newUid } = deps;
  const stamp = (): string => `${new Date(time.now()).toISOString().slice(0, 19)}Z`;
  const store = storing(objects, newUid, stamp);
  const writerOf = (call: KubeCall, who: Who): Writer => ({ manager: managerOf(call, who), time: stamp() });

  const present: Writes["present"] = (kind, namespace, name) => {
    const found = objects.get(kind, namespace, name);
    if (found) return found;
    throw notFound(kind.resource, name);
  };

  const mayBeMade: Writes["mayBeMade"] = (kind, namespace = "") => {
    if (!kind.isNamespaced) return;
    const { metadata } = present(NAMESPACE, undefined, namespace);
    if (metadata.deletionTimestamp !== undefined) {
      throw forbidden(kind.resource, [{ field: "metadata.namespace", reason: "NamespaceTerminating" }]);
    }
    const limits = objects
      .list(QUOTA, namespace)
      .map(({ status }) => Object(Object(status).hard)[`count/${kind.resource}`]);
    const most = limits.find((limit) => limit !== undefined);
    if (most !== undefined && objects.list(kind, namespace).length >= Number(most)) {
      throw forbidden(kind.resource, [], `${kind.resource} "x" is forbidden: exceeded quota: it is full`);
    }
  };

  const create: Writes["create"] = (kind, call, who) => {
    const body = shape(call.body);
    const name = String(shape(body.metadata).name);
    mayBeMade(kind, call.namespace);
    if (objects.get(kind, call.namespace, name)) throw alreadyExists(kind.resource);
    const place = { name, ...(kind.isNamespaced ? { namespace: call.namespace } : {}) };
    const made = { ...withoutStatus(kind, body), ...defaultsOf(kind), metadata: { ...shape(body.metadata), ...place } };
    mustBeValid(kind, made, undefined);
    const entries = afterUpdate([], {}, made, writerOf(call, who));
    return store(kind, { before: undefined, next: made, entries, isDry: isDry(call) });
  };

  const patch: Writes["patch"] = (kind, call, who) => {
    const before = objects.get(kind, call.namespace, call.name ?? "");
    if (call.contentType?.includes("apply-patch")) return apply(kind, call, who, before);
    if (!before) throw notFound(kind.resource, call.name ?? "");
    const next = patched(kind, before, call);
    if (call.subresource === "status") statusMustBeValid(kind, shape(next.status));
    else mustBeValid(kind, next, before);
    guardOwners(kind, call, who, before, next);
    const writer = { ...writerOf(call, who), ...(call.subresource ? { subresource: call.subresource } : {}) };
    // Whoever writes managedFields themselves moves ownership.
    const entries = afterUpdate(entriesOf(shape(next.metadata).managedFields), before, next, writer);
    return store(kind, { before, next, entries, isDry: isDry(call) });
  };

  const apply = (kind: ServedKind, call: KubeCall, who: Who, before: Stored | undefined): Stored => {
    const body = shape(call.body);
    if (before) mustBeAsDemanded(kind, body, before);
    else {
      // What names a uid is about an object that is there.
      if (shape(body.metadata).uid !== undefined) throw conflict(kind.resource);
      // Whoever may only patch creates nothing by it.
      mustBeAllowed(objects, { ...call, verb: "create" }, who);
      mayBeMade(kind, call.namespace);
    }
    const place = { name: call.name, ...(kind.isNamespaced ? { namespace: call.namespace } : {}) };
    const live: Json = before ?? { metadata: place, ...defaultsOf(kind) };
    const config = withoutStatus(kind, body);
    const result = applied(live, entriesOf(before?.metadata.managedFields), config, writerOf(call, who));
    if (result.conflicts.length > 0 && call.query?.force !== "true") throw conflict(kind.resource);
    mustBeValid(kind, result.object, before);
    if (before) guardOwners(kind, call, who, before, result.object);
    return store(kind, { before, next: result.object, entries: result.entries, isDry: isDry(call) });
  };

  const guardOwners = (kind: ServedKind, call: KubeCall, who: Who, before: Json, next: Json): void => {
    if (!deps.guardsOwners || isDeepStrictEqual(ownersOf(before), ownersOf(next))) return;
    if (!isAllowed(objects, { ...call, verb: "delete" }, who)) throw forbidden(kind.resource);
  };

  const end: Writes["end"] = (kind, object) => {
    if (!hasFinalizers(object) && kind.resource !== "namespaces") return void objects.remove(kind, object);
    if (object.metadata.deletionTimestamp !== undefined) return;
    const generation = Number(object.metadata.generation ?? 0);
    const marked = { deletionTimestamp: stamp(), ...(generation > 0 ? { generation: generation + 1 } : {}) };
    objects.put(kind, { ...object, metadata: { ...object.metadata, ...marked } });
  };

  const update: Writes["update"] = (kind, before, next, manager) => {
    const entries = afterUpdate(entriesOf(before.metadata.managedFields), before, next, { manager, time: stamp() });
    return store(kind, { before, next, entries, isDry: false });
  };

  const orphan = (owner: Stored): void => {
    for (const { kind, object } of objects.all()) {
      const owners = ownersOf(object);
      const left = owners.filter(({ uid }) => uid !== owner.metadata.uid);
      if (left.length === owners.length) continue;
      const { ownerReferences: _, ...metadata } = object.metadata;
      const next = { ...object, metadata: { ...metadata, ...(left.length > 0 ? { ownerReferences: left } : {}) } };
      const served = { ...NAMESPACE, ...kind, isNamespaced: true, hasStatus: metadata.generation !== undefined };
      update(served, object, next, CONTROLLER);
    }
  };

  return {
    ...{ present, mayBeMade, create, patch, update, end },
    remove(kind, call) {
      const found = present(kind, call.namespace, call.name ?? "");
      const { preconditions, propagationPolicy } = shape(call.body);
      mustBeAsDemanded(kind, { metadata: preconditions }, found);
      if (propagationPolicy === "Orphan") orphan(found);
      end(kind, found);
      return { kind: "Status", apiVersion: "v1", status: "Success" };
    },
  };
}

function shape(value: unknown): Json {
  return isObject(value) ? value : {};
}

function isDry({ query }: KubeCall): boolean {
  return query?.dryRun !== undefined;
}

function ownersOf({ metadata }: Json): readonly Json[] {
  const { ownerReferences } = shape(metadata);
  return Array.isArray(ownerReferences) ? ownerReferences.filter(isObject) : [];
}

/** Where the status is a subresource, nobody writes it with the rest. */
function withoutStatus(kind: ServedKind, body: Json): Json {
  if (!kind.hasStatus) return body;
  const { status: _, ...rest } = body;
  return rest;
}

function patched(kind: ServedKind, before: Stored, call: KubeCall): Json {
  if (call.contentType?.includes("json-patch")) return jsonPatchedOr422(before, call.body);
  mustBeAsDemanded(kind, shape(call.body), before);
  const merged = mergePatched(before, call.body) as Json;
  if (!kind.hasStatus) return merged;
  if (call.subresource === "status") return { ...before, status: merged.status };
  return { ...withoutStatus(kind, merged), ...(before.status === undefined ? {} : { status: before.status }) };
}

function jsonPatchedOr422(before: Stored, operations: unknown): Json {
  try {
    return jsonPatched(before, operations);
  } catch (error) {
    if (error instanceof TestFailed) throw testFailed();
    throw error;
  }
}

/** An event's fields that the server fills in. */
function defaultsOf({ resource }: ServedKind): Json {
  return resource === "events" ? { eventTime: null, reportingInstance: "" } : {};
}

function managerOf({ query }: KubeCall, who: Who): string {
  return query?.fieldManager ?? (who === "admin" ? "unknown" : who.name);
}

/** The uid and resourceVersion that a body names are preconditions. */
function mustBeAsDemanded(kind: ServedKind, body: Json, before: Stored): void {
  const { uid, resourceVersion } = shape(body.metadata);
  const isOther = (asked: unknown, there: string): boolean => asked !== undefined && asked !== "" && asked !== there;
  if (isOther(uid, before.metadata.uid) || isOther(resourceVersion, before.metadata.resourceVersion)) {
    throw conflict(kind.resource);
  }
}
