import type { KubeCall } from "../../../../lib/kubernetes/kube-call.ts";
import { isObject, type Json } from "./fields.ts";
import type { ServedKind } from "./kinds.ts";
import { type Objects, resourceId, type Stored } from "./objects.ts";
import { expired } from "./refusals.ts";

/** Whether an object is among those that a list or watch asks for. */
export function selects({ query = {}, namespace }: KubeCall): (object: Json) => boolean {
  const labels = pairs(query.labelSelector);
  const fields = pairs(query.fieldSelector);
  return (object) => {
    const { metadata } = object as Stored;
    if (namespace !== undefined && metadata.namespace !== namespace) return false;
    const own = isObject(metadata.labels) ? metadata.labels : {};
    return (
      labels.every(([name, value]) => own[name] === value) &&
      fields.every(([path, value]) => String(at(object, path.split(".")) ?? "") === value)
    );
  };
}

function pairs(selector: string | undefined): readonly (readonly [string, string])[] {
  return (selector ?? "")
    .split(",")
    .filter((part) => part.includes("="))
    .map((part) => [part.slice(0, part.indexOf("=")), part.slice(part.indexOf("=") + 1)] as const);
}

function at(object: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isObject(value) ? value[name] : undefined), object);
}

/** One page. A list goes on where the last page ended, at the revision of the first one. */
export function listOf(objects: Objects, kind: ServedKind, call: KubeCall): Json {
  const limit = Number(call.query?.limit ?? 0) || Number.POSITIVE_INFINITY;
  const [revision, after] = call.query?.continue?.split(" ") ?? [String(objects.revision()), ""];
  if (objects.since(Number(revision)) === undefined) throw expired();
  const idOf = ({ metadata }: Stored): string => `${metadata.namespace ?? ""}/${metadata.name}`;
  const isAsked = selects(call);
  const left = objects.list(kind).filter((object) => isAsked(object) && idOf(object) > (after ?? ""));
  const items = left.slice(0, limit);
  const last = items.at(-1);
  return {
    apiVersion: "v1",
    kind: `${kind.kind}List`,
    metadata: {
      resourceVersion: revision,
      ...(left.length > items.length && last ? { continue: `${revision} ${idOf(last)}` } : {}),
    },
    items,
  };
}

export interface WatchOptions {
  readonly call: KubeCall;
  readonly kind: ServedKind;
  /** Told of each line. */
  readonly line: (line: Json) => void;
}

/** Changes since a cursor, as lines; answers how to stop, and how to send a bookmark. */
export function watching(objects: Objects, { call, kind, line }: WatchOptions) {
  const isAsked = selects(call);
  const from = Number(call.query?.resourceVersion ?? 0);
  const resource = resourceId(kind);
  const missed = objects.since(from);
  const stop = (): void => undefined;
  if (missed === undefined) {
    line({ type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", status: "Failure" } });
    return { stop, bookmark: stop };
  }
  const show = (change: ReturnType<Objects["since"]> extends readonly (infer C)[] | undefined ? C : never): void => {
    if (change.resource !== resource || change.revision <= from) return;
    const [was, is] = [change.before !== undefined && isAsked(change.before), isAsked(change.object)];
    const isGone = change.type === "DELETED" || (was && !is);
    if (!was && (!is || change.type === "DELETED")) return;
    line({ type: isGone ? "DELETED" : was ? "MODIFIED" : "ADDED", object: change.object });
  };
  for (const change of missed) show(change);
  return {
    stop: objects.onChange(show),
    /** Only when the kind has moved since: as a real one does. */
    bookmark(): void {
      const at = objects.revisionOf(resource);
      if (at > from) line({ type: "BOOKMARK", object: { metadata: { resourceVersion: String(at) } } });
    },
  };
}
