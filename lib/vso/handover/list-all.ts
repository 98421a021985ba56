import type { Clock } from "../../clock.ts";
import { listBounds } from "../../discovery/list-bounds.ts";
import { SyncError } from "../../errors.ts";
import { namedNamespaces } from "../../namespaces.ts";
import type { ClusterApi } from "../../ports/clusters.ts";
import type { ClusterSettings } from "../../ports/fleet.ts";
import type { SeenResource } from "../../ports/resources.ts";
import type { KindRef } from "../../resource-kinds.ts";

/** Every readable object of a kind in the fleet's namespaces; by namespace when fleet.yaml lists them by name. */
export async function listAll(
  { clusters, clock }: { readonly clusters: ClusterApi; readonly clock: Clock },
  settings: ClusterSettings,
  kind: KindRef,
  signal: AbortSignal,
  mayBeUnserved = false,
): Promise<readonly SeenResource[]> {
  const scopes = namedNamespaces(settings.namespaces)?.map((namespace) => ({ namespace })) ?? [{}];
  const items: SeenResource[] = [];
  for (const scope of scopes) {
    const options = { metadataOnly: false, ...scope };
    const take = listBounds(settings.name, kind.resource, clock);
    for (let page: string | undefined, isFirst = true; isFirst || page !== undefined; isFirst = false) {
      const answer = await clusters.list(settings.name, kind, options, page, signal);
      if (!answer && mayBeUnserved) return [];
      if (!answer) throw new SyncError("KUBE_REJECTED", `cluster ${settings.name} does not serve ${kind.kind}`);
      take(answer);
      items.push(...answer.items);
      page = answer.continue;
    }
  }
  return items;
}
