import { partsOf, type ReferenceKey } from "../keys.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import { pushingKind, SECRET } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { EventHandler } from "./event-handlers.ts";
import { dropReference, nudgeDependents, takeReference } from "./references.ts";
import type { RowBudget } from "./row-budget.ts";
import type { WatchTarget } from "./watch-target.ts";

/**
 * The Secrets of logins and CA bundles: a narrow metadata watch for each, because no other event tells that a
 * credential was created or replaced (lease-table 23). Finds them in the references of syncs.
 */
export async function credentialTargets(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  budget: RowBudget,
): Promise<readonly WatchTarget[]> {
  if (settings.observe !== "watch" || !(await nameCredentials(deps, settings.name))) return [];
  const keys = new Set<ReferenceKey>();
  for (const row of await deps.leases.byCluster(settings.name)) {
    // A push has a watch of its own for the Secrets that it takes from.
    if (pushingKind(partsOf(row.key).kind) !== undefined) continue;
    for (const ref of row.refs) if (partsOf(ref).kind === SECRET.kind) keys.add(ref);
  }
  return [...keys].sort().map((key) => {
    const { namespace, name } = partsOf(key);
    return {
      isReference: false,
      name: `${SECRET.kind}:${namespace}/${name}`,
      kind: SECRET,
      options: { metadataOnly: true, namespace, name },
      handler: credentialHandler(deps, { settings, budget }, { namespace, name }),
    };
  });
}

/** Most clusters log in only by service accounts: their rows need no search. */
async function nameCredentials(deps: DiscoveryDeps, cluster: string): Promise<boolean> {
  const references = await deps.leases.referencesOf(cluster);
  return references.some(({ spec }) => /"(?:secretRef|caCertSecretRef)":/.test(JSON.stringify(spec)));
}

function credentialHandler(
  deps: DiscoveryDeps,
  context: { readonly settings: ClusterSettings; readonly budget: RowBudget },
  secret: { readonly namespace: string; readonly name: string },
): EventHandler {
  const { settings } = context;
  const changed = async (key: ReferenceKey | undefined): Promise<void> => {
    if (key) await nudgeDependents(deps, settings.name, [key]);
  };
  return {
    list() {
      let isThere = false;
      return {
        async page([found], signal) {
          if (!found) return;
          isThere = true;
          await changed((await takeReference(deps, context, SECRET, found, signal)).changed);
        },
        async end() {
          if (!isThere) await changed(await dropReference(deps, settings, SECRET, secret));
          return undefined;
        },
      };
    },
    changed: async (object, signal) => changed((await takeReference(deps, context, SECRET, object, signal)).changed),
    async deleted(object) {
      await changed(await dropReference(deps, settings, SECRET, object));
    },
    async notServed() {
      // Every cluster has Secrets.
    },
  };
}
