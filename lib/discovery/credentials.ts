import { fingerprint } from "../digest.ts";
import { partsOf, type ReferenceKey } from "../keys.ts";
import { hasServedRights } from "../namespaces.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { Reference } from "../ports/rows.ts";
import { pushingKind, SECRET } from "../resource-kinds.ts";
import { credentialHandler, credentialsHandler } from "./credential-handlers.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { RowBudget } from "./row-budget.ts";
import type { WatchTarget } from "./watch-target.ts";

/**
 * The maximum number of watched Secrets of a namespace: each has a connection and a cursor of its own, and whoever may
 * write there chooses how many are named. With more names a namespace has one watch instead if keyferry may list all its
 * Secrets; otherwise the refresh finds changes of the others. docs/fleet.md repeats this number.
 */
const MAX_NAMES = 20;

/**
 * The Secrets of logins and CA bundles: a narrow metadata watch for each, because no other event tells that a
 * credential was created or replaced (lease-table 23). Finds them in the references of syncs. For one watch pass: call
 * the result again for those that syncs name later.
 */
export function credentialTargets(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  budget: RowBudget,
): () => Promise<readonly WatchTarget[]> {
  const context = { settings, budget };
  // They only grow, because a watch lasts as long as the pass: otherwise ever new names would be ever more watches.
  const named = new Map<string, Set<string>>();
  const crowded = new Map<string, WatchTarget>();
  const target = (name: string, place: Place, handler: WatchTarget["handler"]): WatchTarget => ({
    ...{ isReference: false, name: `${SECRET.kind}:${name}`, kind: SECRET, handler },
    options: { metadataOnly: true, ...place },
  });
  const one = (namespace: string, name: string): WatchTarget =>
    target(`${namespace}/${name}`, { namespace, name }, credentialHandler(deps, context, { namespace, name }));
  // Its cursor is of these names only: with others, all of them are listed.
  const whole = (namespace: string, names: ReadonlySet<string>): WatchTarget =>
    target(
      `${namespace}:${fingerprint(...[...names].sort())}`,
      { namespace },
      credentialsHandler(deps, context, { namespace, names }),
    );
  return async () => {
    // In order, so that each pass chooses the same ones of too many.
    for (const key of [...(await namedBySyncs(deps, settings))].sort()) {
      const { namespace, name } = partsOf(key);
      named.set(namespace, (named.get(namespace) ?? new Set()).add(name));
    }
    return [...named].sort(byNamespace).flatMap(([namespace, names]) => {
      if (names.size <= MAX_NAMES || !hasServedRights(settings.namespaces, namespace))
        return [...names].slice(0, MAX_NAMES).map((name) => one(namespace, name));
      const target = crowded.get(namespace) ?? whole(namespace, names);
      crowded.set(namespace, target);
      return [target];
    });
  };
}

interface Place {
  readonly namespace: string;
  readonly name?: string;
}

function byNamespace([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : 1;
}

async function namedBySyncs(deps: DiscoveryDeps, { name, observe }: ClusterSettings): Promise<Iterable<ReferenceKey>> {
  if (observe !== "watch") return [];
  const references = await deps.leases.referencesOf(name);
  if (!references.some(namesCredential)) return [];
  const keys = new Set<ReferenceKey>();
  for (const row of await deps.leases.byCluster(name)) {
    // A push has a watch of its own for the Secrets that it takes from.
    if (pushingKind(partsOf(row.key).kind) !== undefined) continue;
    for (const ref of row.refs) if (partsOf(ref).kind === SECRET.kind) keys.add(ref);
  }
  // Their tokens ended when their last sync went: nobody needs to know any more.
  for (const { key, isGone } of references) if (isGone && !keys.has(key)) await deps.leases.removeReference(key);
  return keys;
}

/** Most clusters log in only by service accounts: their rows need no search. */
function namesCredential({ spec }: Reference): boolean {
  return /"(?:secretRef|caCertSecretRef)":/.test(JSON.stringify(spec));
}
