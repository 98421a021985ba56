import { SECOND_MS } from "../clock.ts";
import { namedNamespaces, namespaceMatcher, referenceNamespaces } from "../namespaces.ts";
import type { ListOptions } from "../ports/clusters.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { KindRef } from "../resource-kinds.ts";
import { SECRET } from "../resource-kinds.ts";
import { type DiscoveryDeps, OWNED_SELECTOR, REFERENCE_KINDS, SYNC_KINDS } from "./deps.ts";
import type { DriftWatch } from "./drift.ts";
import { type EventHandler, type HandlerContext, referenceHandler, syncHandler } from "./event-handlers.ts";
import type { OperatorGuard } from "./operator-guard.ts";
import type { WatchPassOptions } from "./pass.ts";
import { pushTargets } from "./push-targets.ts";
import type { RowBudget } from "./row-budget.ts";
import { secretHandler } from "./secret-handler.ts";
import type { MissingRows } from "./tombstone-missing.ts";
import type { VsoWatch } from "./vso-watch.ts";
import type { WatchTarget } from "./watch-target.ts";

/**
 * When a kind is removed, its objects are deleted first, and a little later the cluster no longer serves the kind. This
 * is no request to delete the Secrets (lease-table 18). A watch pass without a watch sees only older events.
 */
const CERTAIN_AFTER_MS = 3 * SECOND_MS;

/** Kinds that refer to each other are listed concurrently; a list rarely takes longer than this. */
const STATUS_AFTER_MS = 2 * SECOND_MS;

/** Each kind, or each kind in each namespace when the fleet file lists namespaces by name. */
export function watchTargets(
  deps: DiscoveryDeps,
  settings: ClusterSettings,
  {
    drift,
    vso,
    guard,
    budget,
    missing,
  }: {
    readonly drift: DriftWatch;
    readonly vso: VsoWatch;
    readonly guard: OperatorGuard;
    readonly budget: RowBudget;
    readonly missing: MissingRows;
  },
  options: WatchPassOptions,
  restores: number | undefined,
): readonly WatchTarget[] {
  const named = namedNamespaces(settings.namespaces);
  const isOurs = namespaceMatcher(settings.namespaces);
  const scopes = named ?? [undefined];
  const referenceScopes = referenceNamespaces(settings);
  const certainAfterMs = options.seconds > 0 ? CERTAIN_AFTER_MS : 0;
  const statusAfterMs = options.seconds > 0 ? STATUS_AFTER_MS : 0;
  const base = { settings, isOurs, missing, restores, certainAfterMs, statusAfterMs, budget };
  const target = (
    kind: KindRef,
    scope: string | undefined,
    handler: (context: HandlerContext) => EventHandler,
    more: Partial<ListOptions> = {},
  ): WatchTarget => {
    const name = scope === undefined ? kind.kind : `${kind.kind}/${scope}`;
    return {
      isReference: REFERENCE_KINDS.includes(kind),
      name,
      kind,
      options: { metadataOnly: false, ...more, ...(scope === undefined ? {} : { namespace: scope }) },
      handler: handler({ ...base, scope, list: name }),
    };
  };
  const references = REFERENCE_KINDS.flatMap((kind) =>
    (referenceScopes ?? [undefined]).map((scope) =>
      target(kind, scope, (context) => referenceHandler(deps, kind, { ...context, guard })),
    ),
  );
  const syncs = SYNC_KINDS.flatMap((kind) =>
    scopes.map((scope) => target(kind, scope, (context) => syncHandler(deps, kind, { ...context, vso }))),
  );
  const owned = { metadataOnly: true, labelSelector: OWNED_SELECTOR };
  const secrets =
    settings.observe === "watch"
      ? scopes.map((scope) => target(SECRET, scope, (context) => secretHandler(deps, drift, context), owned))
      : [];
  return [...references, ...syncs, ...secrets, ...pushTargets(deps, base)];
}
