import { SyncError } from "../errors.ts";
import { pushNamespaces } from "../namespaces.ts";
import { type KindRef, PUSHING_KINDS, SECRET, VAULT_PUSH_SECRET } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";
import { type EventHandler, type HandlerContext, isRowOf, syncHandler } from "./event-handlers.ts";
import { type PushContext, pushHandler } from "./push-handler.ts";
import { sourceHandler } from "./push-sources.ts";
import type { VsoWatch } from "./vso-watch.ts";
import type { WatchTarget } from "./watch-target.ts";

/** Of the names of their cursors: the same kinds are followed for other reasons too. */
const PREFIX = "push:";

export function isPushTarget(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * What is followed for pushes: the annotated kinds, and all Secrets if fleet.yaml says so, by their metadata, and
 * VaultPushSecrets.
 */
export function pushTargets(deps: DiscoveryDeps, base: Omit<HandlerContext, "scope" | "list">): readonly WatchTarget[] {
  const { settings } = base;
  const { push } = settings;
  if (push === undefined) return [];
  const named = pushNamespaces(settings.namespaces, push.namespaces);
  return (named ?? [undefined]).flatMap((scope) => {
    const nameOf = ({ kind }: KindRef): string => `${PREFIX}${kind}${scope === undefined ? "" : `/${scope}`}`;
    const contextOf = (kind: KindRef): PushContext => ({ ...base, push, scope, list: nameOf(kind) });
    const annotated = (kind: KindRef): EventHandler => pushHandler(deps, kind, contextOf(kind));
    const target = (kind: KindRef, handler = annotated(kind), metadataOnly = true): WatchTarget => ({
      isReference: false,
      name: nameOf(kind),
      kind,
      options: { metadataOnly, ...(scope === undefined ? {} : { namespace: scope }) },
      handler,
    });
    const kinds = push.kinds.map((name) => PUSHING_KINDS[name]);
    const workloads = kinds
      .filter((kind) => kind !== SECRET)
      .map((kind) =>
        kind === VAULT_PUSH_SECRET ? target(kind, resourceHandler(deps, contextOf(kind)), false) : target(kind),
      );
    const declaring = kinds.includes(SECRET) ? annotated(SECRET) : undefined;
    if (push.secrets === "poll") return declaring ? [...workloads, target(SECRET, declaring)] : workloads;
    return [...workloads, target(SECRET, sourceHandler(deps, contextOf(SECRET), declaring ?? NOTHING_DECLARED))];
  });
}

/** VaultPushSecrets, as declarations of syncs: nobody else writes their status. */
function resourceHandler(deps: DiscoveryDeps, context: PushContext): EventHandler {
  const vso: VsoWatch = { see: async () => undefined, latest: () => ({}) };
  return {
    ...syncHandler(deps, VAULT_PUSH_SECRET, { ...context, vso }),
    // Their rows stay: a kind that is not served proves nothing about its objects (lease-table 18).
    async notServed() {
      const { name: cluster } = context.settings;
      const { kind } = VAULT_PUSH_SECRET;
      const rows = (await deps.leases.byCluster(cluster)).filter(({ key }) => isRowOf(key, kind, context.scope));
      deps.log.warn("push-kind-not-served", { cluster, kind, rows: rows.length });
      if (rows.length === 0) return;
      const message = `cluster ${cluster} no longer serves ${kind}: what its ${rows.length} objects pushed stays in Vault`;
      throw new SyncError("KUBE_REJECTED", message);
    },
  };
}

/** Secrets whose own annotations do not count. */
const NOTHING_DECLARED = {
  list: () => ({ page: async () => undefined, end: async () => undefined }),
  changed: async () => undefined,
  deleted: async () => undefined,
  notServed: async () => undefined,
};
