import { fingerprint } from "../../../../lib/digest.ts";
import type { WorldTime } from "../time.ts";
import type { ApiServer } from "./api-server.ts";
import { isObject, type Json } from "./fields.ts";
import type { ServedKind } from "./kinds.ts";
import type { Change, Stored } from "./objects.ts";

/** How long the controllers take to notice, in ms of the world's time. */
export type Pace = () => number;

/**
 * The garbage collector, the namespace controller, and as much of the deployment controller as makes replica sets and
 * tells the status: its pods are there at once.
 */
export function runControllers(server: ApiServer, time: WorldTime, pace: Pace): void {
  let isAsked = false;
  const sweep = (): void => {
    isAsked = false;
    collect(server);
    emptyNamespaces(server);
  };
  const ask = ({ type, object }: Change): void => {
    const { ownerReferences, deletionTimestamp } = object.metadata;
    if (type !== "DELETED" && ownerReferences === undefined && deletionTimestamp === undefined) return;
    if (isAsked) return;
    isAsked = true;
    time.after(pace(), sweep);
  };
  server.objects.onChange((change) => {
    ask(change);
    if (change.resource === "deployments.apps" && change.type !== "DELETED") {
      time.after(pace(), () => {
        makeReplicaSet(server, change.object);
        tellStatus(server, change.object);
      });
    }
  });
}

const kindOf = (server: ApiServer, { apiVersion, kind }: Stored): ServedKind | undefined =>
  server.kindOf(String(apiVersion), String(kind));

/** Objects whose owners are all gone go; the references to those that are gone go from the others. */
function collect(server: ApiServer): void {
  const all = server.objects.all();
  const uids = new Set<unknown>(all.map(({ object }) => object.metadata.uid));
  for (const { object } of all) {
    const { ownerReferences, deletionTimestamp } = object.metadata;
    const references = Array.isArray(ownerReferences) ? ownerReferences.filter(isObject) : [];
    const left = references.filter(({ uid }) => uids.has(uid));
    const kind = kindOf(server, object);
    if (left.length === references.length || !kind || deletionTimestamp !== undefined) continue;
    const next: Json = { ...object, metadata: { ...object.metadata, ownerReferences: left } };
    if (left.length === 0) server.writes.end(kind, object);
    else server.writes.update(kind, object, next, "kube-controller-manager");
  }
}

function emptyNamespaces(server: ApiServer): void {
  const namespaces = server.kindOf("v1", "Namespace");
  if (!namespaces) return;
  for (const namespace of server.objects.list(namespaces)) {
    if (namespace.metadata.deletionTimestamp === undefined) continue;
    const inside = () =>
      server.objects.all().filter(({ object }) => object.metadata.namespace === namespace.metadata.name);
    for (const { object } of inside()) {
      const kind = kindOf(server, object);
      if (kind && object.metadata.deletionTimestamp === undefined) server.writes.end(kind, object);
    }
    if (inside().length === 0) server.objects.remove(namespaces, namespace);
  }
}

/** One for each template of a Deployment that is not paused. */
function makeReplicaSet(server: ApiServer, { metadata, spec }: Stored): void {
  const kind = server.kindOf("apps/v1", "ReplicaSet");
  const { template, paused } = isObject(spec) ? spec : {};
  const { name, namespace } = metadata;
  if (!kind || paused === true) return;
  const ofTemplate = `${name}-${fingerprint(JSON.stringify(template)).slice(0, 10)}`;
  if (server.objects.get(kind, String(namespace), ofTemplate)) return;
  const labels = Object(Object(template).metadata).labels;
  const body = { metadata: { name: ofTemplate, namespace, labels }, spec: { template } };
  const call = { cluster: server.name, verb: "create", kind, namespace: String(namespace), body } as const;
  server.writes.create(kind, call, "admin");
}

/** A Deployment that is paused keeps the pods that it has. */
function tellStatus(server: ApiServer, { metadata: { name, namespace } }: Stored): void {
  const kind = server.kindOf("apps/v1", "Deployment");
  const found = kind && server.objects.get(kind, String(namespace), name);
  if (!found) return;
  const { replicas = 1, paused } = isObject(found.spec) ? found.spec : {};
  const counts = { replicas, updatedReplicas: replicas, availableReplicas: replicas };
  const status = {
    ...(paused === true ? Object(found.status) : counts),
    observedGeneration: found.metadata.generation,
  };
  server.writes.update(kind, found, { ...found, status }, "kube-controller-manager");
}
