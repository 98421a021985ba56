import { type ReferenceKey, referenceKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { SeenResource } from "../ports/resources.ts";
import { SECRET } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { EventHandler, Listing } from "./event-handlers.ts";
import { unlessBug } from "./guard.ts";
import { type KnownReferences, loseCredential, nudgeDependents, takeReference } from "./references.ts";
import type { RowBudget } from "./row-budget.ts";

type Place = Pick<SeenResource, "namespace" | "name">;

interface Context {
  readonly settings: ClusterSettings;
  readonly budget: RowBudget;
}

/** Follows one Secret. */
export function credentialHandler(deps: DiscoveryDeps, context: Context, secret: Place): EventHandler {
  const { settings } = context;
  return {
    ...eventsOf(deps, context),
    list() {
      let isThere = false;
      return {
        async page([found], signal) {
          if (!found) return;
          isThere = true;
          const { changed } = await takeReference(deps, context, SECRET, found, signal);
          await nudgeIf(deps, settings, changed);
        },
        async end() {
          if (!isThere) await nudgeIf(deps, settings, await loseCredential(deps, keyOf(settings, secret)));
          return undefined;
        },
      };
    },
  };
}

/** Some Secrets of a namespace: those with `names`, to which others may be added at any time. */
interface Named {
  readonly namespace: string;
  readonly names: ReadonlySet<string>;
}

/** Follows the named Secrets in a list and a watch of all Secrets of their namespace. */
export function credentialsHandler(deps: DiscoveryDeps, context: Context, secrets: Named): EventHandler {
  const { names } = secrets;
  const events = eventsOf(deps, context);
  return {
    ...events,
    list: () => listingOf(deps, context, secrets),
    async changed(object, signal) {
      if (names.has(object.name)) await events.changed(object, signal);
    },
    async deleted(object) {
      if (names.has(object.name)) await events.deleted(object);
    },
  };
}

function listingOf(deps: DiscoveryDeps, context: Context, { namespace, names }: Named): Listing {
  const { settings } = context;
  // A name that is added during the list may be of a Secret on an earlier page: it is not missing then.
  const missing = new Set(names);
  const changes: ReferenceKey[] = [];
  let stored: Promise<KnownReferences> | undefined;
  const storedBefore = (): Promise<KnownReferences> => {
    stored ??= deps.leases.referencesOf(settings.name).then((all) => new Map(all.map((one) => [one.key, one])));
    return stored;
  };
  return {
    async page(items, signal) {
      const known = await storedBefore();
      for (const item of items) {
        if (!missing.delete(item.name)) continue;
        const of = { cluster: settings.name, kind: SECRET, object: item };
        const taken = await unlessBug(deps, of, () => takeReference(deps, { ...context, known }, SECRET, item, signal));
        if (taken?.changed) changes.push(taken.changed);
      }
    },
    async end() {
      const known = await storedBefore();
      for (const name of missing) {
        const key = keyOf(settings, { namespace, name });
        // Nearly all that are missing never existed.
        if (!known.has(key)) continue;
        const lost = await loseCredential(deps, key);
        if (lost) changes.push(lost);
      }
      await nudgeDependents(deps, settings.name, changes);
      return undefined;
    },
  };
}

function eventsOf(deps: DiscoveryDeps, context: Context): Omit<EventHandler, "list"> {
  const { settings } = context;
  return {
    async changed(object: SeenResource, signal) {
      const { changed } = await takeReference(deps, context, SECRET, object, signal);
      await nudgeIf(deps, settings, changed);
    },
    async deleted(object) {
      await nudgeIf(deps, settings, await loseCredential(deps, keyOf(settings, object)));
    },
    async notServed() {
      // Every cluster has Secrets.
    },
  };
}

async function nudgeIf(
  deps: DiscoveryDeps,
  { name }: ClusterSettings,
  changed: ReferenceKey | undefined,
): Promise<void> {
  if (changed) await nudgeDependents(deps, name, [changed]);
}

function keyOf({ name: cluster }: ClusterSettings, { namespace, name }: Place): ReferenceKey {
  return referenceKey({ cluster, kind: SECRET.kind, namespace, name });
}
