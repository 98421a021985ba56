import { partsOf, type ReferenceKey, referenceKey, type SyncKey } from "../keys.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Row } from "../ports/rows.ts";
import { nudgeReferring } from "../references/referring.ts";
import { pushingKind, SECRET } from "../resource-kinds.ts";
import { sendDue } from "../schedule/messages.ts";
import { asObject } from "../util/canonical.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { EventHandler } from "./event-handlers.ts";
import type { PushContext } from "./push-handler.ts";

/**
 * All Secrets of the pushed namespaces, by their metadata: a change wakes the rows that take from it. `declarations`
 * sees the same objects, since Secrets may be annotated themselves.
 */
export function sourceHandler(deps: DiscoveryDeps, context: PushContext, declarations: EventHandler): EventHandler {
  const { settings, isOurs } = context;
  const keyOf = ({ namespace, name }: Pick<SeenResource, "namespace" | "name">): ReferenceKey =>
    referenceKey({ cluster: settings.name, kind: SECRET.kind, namespace, name });
  const nudge = async (object: SeenResource): Promise<void> => {
    if (isOurs(object.namespace)) await nudgeReferring(deps, keyOf(object), { verify: false });
  };
  return {
    list() {
      const listing = declarations.list();
      const versions = new Map<ReferenceKey, string>();
      return {
        async page(items, signal, listedAt) {
          for (const item of items) if (isOurs(item.namespace)) versions.set(keyOf(item), item.resourceVersion);
          await listing.page(items, signal, listedAt);
        },
        async end(signal) {
          await listing.end(signal);
          await nudgeOutdated(deps, context, versions);
        },
      };
    },
    async changed(object, signal) {
      await declarations.changed(object, signal);
      await nudge(object);
    },
    async deleted(object) {
      await declarations.deleted(object);
      await nudge(object);
    },
    notServed: () => declarations.notServed(),
  };
}

/** Rows whose Secrets have other versions than at their last run: an unchanged cluster wakes none. */
async function nudgeOutdated(
  deps: DiscoveryDeps,
  { settings, scope }: PushContext,
  versions: ReadonlyMap<ReferenceKey, string>,
): Promise<void> {
  const all = await deps.leases.byCluster(settings.name);
  const keys = all.map(({ key }) => key).filter((key) => isOfPush(key, scope));
  const rows = await deps.leases.read(keys, "eventual");
  const outdated = [...rows.values()].filter((row) => isOutdated(row, versions)).map(({ key }) => key);
  const dues = await deps.leases.nudgeAll(outdated, { now: deps.clock(), verify: false });
  await sendDue(deps.queue, dues, deps.clock());
}

function isOfPush(key: SyncKey, scope: string | undefined): boolean {
  if (key.includes("#")) return false;
  const { kind, namespace } = partsOf(key);
  return pushingKind(kind) !== undefined && (scope === undefined || namespace === scope);
}

/** The versions that a push recorded at its last run (lib/kinds/push/push.ts). */
function isOutdated({ state }: Row, versions: ReadonlyMap<ReferenceKey, string>): boolean {
  const recorded = asObject(asObject(state.own)?.sources) ?? {};
  return state.refs.some((ref) => versions.get(ref) !== recorded[partsOf(ref).name]);
}
