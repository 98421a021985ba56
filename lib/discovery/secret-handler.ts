import { partsOf } from "../keys.ts";
import { SECRET } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { DriftWatch, Listed } from "./drift.ts";
import type { EventHandler, HandlerContext } from "./event-handlers.ts";
import { unlessBug } from "./guard.ts";
import type { SecretSeen } from "./secret-search.ts";

/** Handles the Secrets that we wrote, by metadata only. */
export function secretHandler(deps: DiscoveryDeps, drift: DriftWatch, context: HandlerContext): EventHandler {
  const { isOurs } = context;
  const see = async (seen: SecretSeen): Promise<void> => {
    if (isOurs(seen.secret.namespace)) await drift.see(seen);
  };
  return {
    list() {
      const listed = { uids: new Set<string>(), places: new Set<string>() };
      return {
        async page(items, _signal, listedAt) {
          for (const item of items) {
            listed.uids.add(item.uid);
            listed.places.add(`${item.namespace}/${item.name}`);
            const of = { cluster: context.settings.name, kind: SECRET, object: item };
            await unlessBug(deps, of, () => see({ secret: item, isDeleted: false, listedAt }));
          }
        },
        end: () => endOfSecrets(deps, drift, context, listed),
      };
    },
    changed: (secret) => see({ secret, isDeleted: false }),
    deleted: (secret) => see({ secret, isDeleted: true }),
    notServed: async () => undefined,
  };
}

async function endOfSecrets(
  deps: DiscoveryDeps,
  drift: DriftWatch,
  { settings, scope }: HandlerContext,
  listed: Listed,
): Promise<void> {
  const known = (await deps.leases.byCluster(settings.name)).filter(
    ({ key }) => scope === undefined || partsOf(key).namespace === scope,
  );
  const keys = known.map((row) => row.key).filter((key) => !key.includes("#"));
  const rows = await deps.leases.read(keys, "strong");
  await drift.missing(listed, [...rows.values()]);
}
