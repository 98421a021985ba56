import { SECOND_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { ClusterApi, ListOptions, ListPage } from "../ports/clusters.ts";
import type { KindRef } from "../resource-kinds.ts";
import { accepted, type ClusterClients } from "./cluster-client.ts";
import { installations } from "./installation.ts";
import { identityCall, type KubeCall, metadataAs, objectOf } from "./kube-call.ts";
import { isExpired, isUnknownKind } from "./kube-failure.ts";
import { namedResource } from "./resource-object.ts";
import { metadataOf, resourceVersionIn, type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";
import { vsoLeases } from "./vso-lease.ts";
import { watchEvent } from "./watch-events.ts";

/** Items in a page: the most first, then fewer when a page is too large to read. */
const PAGES = [500, 100, 20, 4, 1] as const;

/** The continue token becomes part of the next request's path. */
const MAX_CONTINUE = 8 * 1_024;

/** The API server ends a watch itself; we end it this much later. */
const WATCH_GRACE_MS = 10 * SECOND_MS;

/** Reads clusters for discovery. */
export function clusterApi({ clients }: { clients: ClusterClients }): ClusterApi {
  return {
    async identity(cluster, signal) {
      const call = identityCall(cluster);
      return metadataOf(accepted(call, await clients.send(call, signal)), "namespace kube-system").uid;
    },

    list: listing(clients),

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
      // The list reports a kind that is no longer served; here both failures mean: list again.
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

/** Lists a kind in pages. A kind that needs smaller pages keeps them. */
function listing(clients: ClusterClients): ClusterApi["list"] {
  const sizes = new Map<string, number>();
  const onePage = async (call: KubeCall, signal: AbortSignal): Promise<ListPage | undefined> => {
    const answer = await clients.send(call, signal);
    if ("failure" in answer && isUnknownKind(answer.failure)) return undefined;
    return pageOf(call, accepted(call, answer));
  };
  return async (cluster, kind, options, page, signal) => {
    const id = `${cluster} ${kind.resource}`;
    const most = options.limit ?? sizes.get(id) ?? PAGES[0];
    for (const limit of [most, ...PAGES.filter((size) => size < most)]) {
      const query = { limit: `${limit}`, ...selection(options), ...(page !== undefined && { continue: page }) };
      const call: KubeCall = { ...scope(cluster, kind, options, "PartialObjectMetadataList"), verb: "list", query };
      try {
        return await onePage(call, signal);
      } catch (error) {
        if (!(error instanceof SyncError) || error.code !== "KUBE_ANSWER_TOO_LARGE" || limit === 1) throw error;
        sizes.set(id, PAGES.find((size) => size < limit) ?? 1);
      }
    }
    throw new Error("no page is smaller than one of one item");
  };
}

function pageOf(call: KubeCall, list: Shape): ListPage {
  const metadata = shapeAt(list, "metadata");
  const next = textAt(metadata, "continue") ?? "";
  if (next.length > MAX_CONTINUE || (next !== "" && next === call.query?.continue)) {
    throw new SyncError("KUBE_ANSWER_INVALID", `${objectOf(call)}: a list has an invalid continue token`);
  }
  return {
    items: shapesAt(list, "items").map((item) => namedResource(call.kind, item)),
    resourceVersion: resourceVersionIn(metadata, `a list of ${call.kind.resource}`),
    ...(next !== "" && { continue: next }),
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
