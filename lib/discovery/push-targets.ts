import { pushNamespaces } from "../namespaces.ts";
import { ANNOTATED_KINDS, type KindRef, SECRET } from "../resource-kinds.ts";
import type { DiscoveryDeps } from "./deps.ts";
import type { HandlerContext } from "./event-handlers.ts";
import { type PushContext, pushHandler } from "./push-handler.ts";
import { sourceHandler } from "./push-sources.ts";
import type { WatchTarget } from "./watch-target.ts";

/** Of the names of their cursors: the same kinds are followed for other reasons too. */
const PREFIX = "push:";

export function isPushTarget(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** What is followed for pushes: the annotated kinds, and all Secrets if fleet.yaml says so. Always by metadata. */
export function pushTargets(deps: DiscoveryDeps, base: Omit<HandlerContext, "scope">): readonly WatchTarget[] {
  const { settings } = base;
  const { push } = settings;
  if (push === undefined) return [];
  const named = pushNamespaces(settings.namespaces, push.namespaces);
  return (named ?? [undefined]).flatMap((scope) => {
    const context: PushContext = { ...base, push, scope };
    const target = (kind: KindRef, handler = pushHandler(deps, kind, context)): WatchTarget => ({
      isReference: false,
      name: `${PREFIX}${kind.kind}${scope === undefined ? "" : `/${scope}`}`,
      kind,
      options: { metadataOnly: true, ...(scope === undefined ? {} : { namespace: scope }) },
      handler,
    });
    const kinds = push.kinds.map((name) => ANNOTATED_KINDS[name]);
    const workloads = kinds.filter((kind) => kind !== SECRET).map((kind) => target(kind));
    const annotated = kinds.includes(SECRET) ? pushHandler(deps, SECRET, context) : undefined;
    if (push.secrets === "poll") return annotated ? [...workloads, target(SECRET, annotated)] : workloads;
    return [...workloads, target(SECRET, sourceHandler(deps, context, annotated ?? NOTHING_DECLARED))];
  });
}

/** Secrets whose own annotations do not count. */
const NOTHING_DECLARED = {
  list: () => ({ page: async () => undefined, end: async () => undefined }),
  changed: async () => undefined,
  deleted: async () => undefined,
  notServed: async () => undefined,
};
