import { SECOND_MS } from "../clock.ts";
import type { ClusterEnd, KindRef, ListOptions } from "../reconcile/ports.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { installations, NAMESPACE } from "./installation.ts";
import { type KubeCall, metadataAs } from "./kube-call.ts";
import { isExpired, isUnknownKind } from "./kube-failure.ts";
import { seenResource } from "./resource-object.ts";
import { metadataOf, shapeAt, shapesAt, textAt } from "./shapes.ts";
import { vsoLeases } from "./vso-lease.ts";
import { watchEvent } from "./watch-events.ts";

const PAGE = 500;

/** The API server ends a watch itself; this much later we do. */
const WATCH_GRACE_MS = 10 * SECOND_MS;

/** What discovery reads of clusters. */
export function clusterEnd({ clients }: { clients: ClusterClients }): ClusterEnd {
  return {
    async identity(cluster, signal) {
      const accept = metadataAs("PartialObjectMetadata");
      const call: KubeCall = { cluster, verb: "get", kind: NAMESPACE, name: "kube-system", accept };
      return metadataOf(accepted(call, await clients.send(call, signal)), "namespace kube-system").uid;
    },

    async list(cluster, kind, options, page, signal) {
      const query = {
        limit: `${options.limit ?? PAGE}`,
        ...selection(options),
        ...(page !== undefined && { continue: page }),
      };
      const call: KubeCall = { ...scope(cluster, kind, options, "PartialObjectMetadataList"), verb: "list", query };
      const answer = await clients.send(call, signal);
      if ("failure" in answer && isUnknownKind(answer.failure)) return undefined;
      const list = accepted(call, answer);
      const metadata = shapeAt(list, "metadata");
      const next = textAt(metadata, "continue");
      return {
        items: shapesAt(list, "items").map((item) => seenResource(kind, item)),
        resourceVersion: textAt(metadata, "resourceVersion") ?? "",
        ...(next && { continue: next }),
      };
    },

    async *watch(cluster, kind, options, { resourceVersion, seconds }, signal) {
      const query = {
        watch: "true",
        allowWatchBookmarks: "true",
        timeoutSeconds: `${seconds}`,
        resourceVersion,
        ...selection(options),
      };
      const call: KubeCall = { ...scope(cluster, kind, options, "PartialObjectMetadata"), verb: "watch", query };
      const answer = await clients.stream(call, seconds * SECOND_MS + WATCH_GRACE_MS, signal);
      // A kind that is not served any more is the list's to tell; here it means: list again.
      if ("failure" in answer && (isExpired(answer.failure) || isUnknownKind(answer.failure))) {
        yield { type: "EXPIRED" };
        return;
      }
      for await (const line of accepted(call, answer)) {
        const event = watchEvent(call, kind, line);
        yield event;
        if (event.type === "EXPIRED") return;
      }
    },

    ...installations(clients),
    vsoLease: vsoLeases(clients),
  };
}

function scope(cluster: string, kind: KindRef, options: ListOptions, as: Parameters<typeof metadataAs>[0]) {
  return {
    cluster,
    kind,
    ...(options.namespace !== undefined && { namespace: options.namespace }),
    ...(options.metadataOnly && { accept: metadataAs(as) }),
  };
}

function selection({ labelSelector, name }: ListOptions): Readonly<Record<string, string>> {
  return {
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(name === undefined ? {} : { fieldSelector: `metadata.name=${name}` }),
  };
}
