import { isDeepStrictEqual } from "node:util";
import { apiVersionOf } from "../../../../lib/resource-kinds.ts";
import { type Entry, isObject, type Json, managedFields } from "./fields.ts";
import type { ServedKind } from "./kinds.ts";
import type { Objects, Stored } from "./objects.ts";

export interface Written {
  readonly before: Stored | undefined;
  readonly next: Json;
  readonly entries: readonly Entry[];
  readonly isDry: boolean;
}

/** Stores what was written, with who owns which field of it. */
export type Store = (kind: ServedKind, written: Written) => Stored;

/** Of metadata, what nobody may write. */
const SERVERS_OWN = ["uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp", "managedFields"];

export function storing(objects: Objects, newUid: () => string, stamp: () => string): Store {
  return (kind, { before, next, entries, isDry }) => {
    const object = asKept(kind, before, next);
    const managed = managedFields(entries, apiVersionOf(kind));
    if (before && isUnchanged(before, object, managed)) return before;
    const { metadata } = object;
    metadata.managedFields = managed;
    if (before === undefined) Object.assign(metadata, { uid: newUid(), creationTimestamp: stamp() });
    if (kind.hasStatus) metadata.generation = generationOf(before, object);
    if (isDry) return { ...object, metadata: { resourceVersion: "0", ...metadata } } as unknown as Stored;
    const stored = objects.put(kind, object);
    const isReleased = metadata.deletionTimestamp !== undefined && !hasFinalizers(stored);
    return isReleased ? objects.remove(kind, stored) : stored;
  };
}

export function hasFinalizers({ metadata }: Stored): boolean {
  return Array.isArray(metadata.finalizers) && metadata.finalizers.length > 0;
}

/** Metadata of the server's own is as it was, whatever somebody wrote. */
function asKept(kind: ServedKind, before: Stored | undefined, next: Json): Json & { readonly metadata: Json } {
  const own: Json = before?.metadata ?? {};
  const metadata: Json = isObject(next.metadata) ? { ...next.metadata } : {};
  for (const name of SERVERS_OWN) {
    delete metadata[name];
    if (own[name] !== undefined) metadata[name] = own[name];
  }
  const type = kind.resource === "secrets" ? { type: next.type ?? before?.type ?? "Opaque" } : {};
  return { ...next, ...type, apiVersion: apiVersionOf(kind), kind: kind.kind, metadata };
}

function generationOf(before: Stored | undefined, object: Json): number {
  const generation = Number(before?.metadata.generation ?? 0);
  return before && isDeepStrictEqual(specOf(before), specOf(object)) ? generation : generation + 1;
}

function specOf({ metadata: _metadata, status: _status, ...rest }: Json): Json {
  return rest;
}

function isUnchanged(before: Stored, object: Json, managed: readonly Json[]): boolean {
  const { metadata: a, ...restA } = before;
  const { metadata: b, ...restB } = object;
  const isSame = isDeepStrictEqual(restA, restB) && isDeepStrictEqual(plain(a), plain(b));
  return isSame && isDeepStrictEqual(timeless(before.metadata.managedFields), timeless(managed));
}

function plain(metadata: unknown): Json {
  const { managedFields: _fields, generation: _generation, ...rest } = Object(metadata) as Json;
  return rest;
}

function timeless(managed: unknown): unknown {
  return (Array.isArray(managed) ? managed : []).map(({ time: _, ...entry }) => entry);
}
