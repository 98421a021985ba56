import type { KindRef } from "../../../../lib/resource-kinds.ts";
import { isObject, type Json } from "./fields.ts";

/** An object as it is stored: always with a uid and a resourceVersion. */
export interface Stored extends Json {
  readonly metadata: Json & { readonly uid: string; readonly resourceVersion: string; readonly name: string };
}

export interface Change {
  readonly revision: number;
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly resource: string;
  readonly object: Stored;
  /** As it was before; missing for a new one. */
  readonly before?: Stored;
}

/** What etcd is to an API server: objects, one revision for all of them, and the latest changes. */
export interface Objects {
  get(kind: KindRef, namespace: string | undefined, name: string): Stored | undefined;
  /** Sorted by namespace and name. */
  list(kind: KindRef, namespace?: string): readonly Stored[];
  all(): readonly { readonly kind: KindRef; readonly object: Stored }[];
  /** Stores it at the next revision, and tells who watches. */
  put(kind: KindRef, object: Json): Stored;
  remove(kind: KindRef, object: Stored): Stored;
  revision(): number;
  /** Of the last change of this kind. */
  revisionOf(resource: string): number;
  /** Changes after this revision; undefined when some of them are forgotten. */
  since(revision: number): readonly Change[] | undefined;
  onChange(listener: (change: Change) => void): () => void;
  /** Forgets the latest changes, as a restart of the API server does. */
  forget(): void;
  /** To go back to: its objects, and its revision or a higher one. */
  snapshot(): (bump?: number) => void;
}

const KEPT = 2_000;

export const resourceId = ({ group, resource }: KindRef): string => (group === "" ? resource : `${resource}.${group}`);

export function objects(): Objects {
  let stored = new Map<string, Map<string, { readonly kind: KindRef; readonly object: Stored }>>();
  let revision = 100;
  let latest: Change[] = [];
  let forgotten = revision;
  const moved = new Map<string, number>();
  const listeners = new Set<(change: Change) => void>();

  const ofKind = (kind: KindRef) => {
    const id = resourceId(kind);
    const known = stored.get(id) ?? new Map<string, { readonly kind: KindRef; readonly object: Stored }>();
    stored.set(id, known);
    return known;
  };
  const idOf = (namespace: unknown, name: unknown): string => `${namespace ?? ""}/${name}`;
  const tell = (change: Change): void => {
    latest.push(change);
    moved.set(change.resource, change.revision);
    if (latest.length > KEPT) {
      latest = latest.slice(-KEPT / 2);
      forgotten = (latest[0]?.revision ?? revision) - 1;
    }
    for (const listener of [...listeners]) listener(change);
  };
  return {
    get: (kind, namespace, name) => ofKind(kind).get(idOf(namespace, name))?.object,
    list: (kind, namespace) =>
      [...ofKind(kind)]
        .filter(([, { object }]) => namespace === undefined || object.metadata.namespace === namespace)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, { object }]) => object),
    all: () => [...stored.values()].flatMap((known) => [...known.values()]),
    put(kind, object) {
      revision++;
      const metadata = isObject(object.metadata) ? object.metadata : {};
      const next = { ...object, metadata: { ...metadata, resourceVersion: String(revision) } } as unknown as Stored;
      const id = idOf(next.metadata.namespace, next.metadata.name);
      const before = ofKind(kind).get(id)?.object;
      ofKind(kind).set(id, { kind, object: next });
      tell({
        revision,
        type: before ? "MODIFIED" : "ADDED",
        resource: resourceId(kind),
        object: next,
        ...(before ? { before } : {}),
      });
      return next;
    },
    remove(kind, object) {
      revision++;
      const gone = { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
      ofKind(kind).delete(idOf(object.metadata.namespace, object.metadata.name));
      tell({ revision, type: "DELETED", resource: resourceId(kind), object: gone, before: object });
      return gone;
    },
    revision: () => revision,
    revisionOf: (resource) => moved.get(resource) ?? 0,
    since: (from) => (from < forgotten ? undefined : latest.filter((change) => change.revision > from)),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    forget() {
      latest = [];
      forgotten = revision;
    },
    snapshot() {
      const copy = new Map([...stored].map(([id, known]) => [id, new Map(known)]));
      const then = revision;
      return (bump = 0) => {
        stored = new Map([...copy].map(([id, known]) => [id, new Map(known)]));
        revision = then + bump;
        latest = [];
        forgotten = revision;
      };
    },
  };
}
