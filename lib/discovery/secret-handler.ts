import { partsOf } from "../keys.ts";
import type { SeenResource } from "../ports/resources.ts";
import { SECRET } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { DriftWatch, Listed } from "./drift.ts";
import type { EventHandler, HandlerContext } from "./event-handlers.ts";
import { unlessBug } from "./guard.ts";

/** Handles the Secrets that we wrote, by metadata only. */
export function secretHandler(deps: DiscoveryDeps, drift: DriftWatch, context: HandlerContext): EventHandler {
  const { isOurs } = context;
  const see = async (object: SeenResource, isDeleted: boolean): Promise<void> => {
    if (isOurs(object.namespace)) await drift.see(object, isDeleted);
  };
  return {
    list() {
      const listed = { uids: new Set<string>(), places: new Set<string>() };
      return {
        async page(items) {
          for (const item of items) {
            listed.uids.add(item.uid);
            listed.places.add(`${item.namespace}/${item.name}`);
            const of = { cluster: context.settings.name, kind: SECRET, object: item };
            await unlessBug(deps, of, () => see(item, false));
          }
        },
        end: () => endOfSecrets(deps, drift, context, listed),
      };
    },
    changed: (object) => see(object, false),
    deleted: (object) => see(object, true),
    notServed: async () => undefined,
  };
}

async function endOfSecrets(
  deps: DiscoveryDeps,
  drift: DriftWatch,
  { settings, scope }: HandlerContext,
  listed: Listed,
): Promise<undefined> {
  const known = (await deps.leases.byCluster(settings.name)).filter(
    ({ key }) => scope === undefined || partsOf(key).namespace === scope,
  );
  const keys = known.map((row) => row.key).filter((key) => !key.includes("#"));
  const rows = await deps.leases.read(keys, "strong");
  await drift.missing(listed, [...rows.values()]);
  return undefined;
}
