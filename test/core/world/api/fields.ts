import { isDeepStrictEqual } from "node:util";

/** JSON as the API server keeps it. */
export type Json = Record<string, unknown>;

/** Who set which fields: what `metadata.managedFields` say. Paths are joined by a character that no field name has. */
export interface Entry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly subresource?: string;
  readonly paths: ReadonlySet<string>;
  readonly time: string;
}

const SEPARATOR = "\u0000";
/** Of metadata, what has owners; the rest is the API server's own. */
const OWNED_METADATA = ["labels", "annotations", "ownerReferences", "finalizers"];

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every field that an object sets, as paths: maps by name, owner references by uid, finalizers by value; other lists as a whole. */
export function pathsOf(object: Json): Set<string> {
  const found = new Set<string>();
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = object;
  for (const [name, value] of Object.entries(rest)) collect(found, [`f:${name}`], value);
  for (const name of OWNED_METADATA) {
    const value = isObject(metadata) ? metadata[name] : undefined;
    if (value !== undefined) collect(found, ["f:metadata", `f:${name}`], value);
  }
  return found;
}

function collect(found: Set<string>, path: readonly string[], value: unknown): void {
  if (value === undefined || value === null) return;
  const last = path.at(-1);
  const parts = isObject(value)
    ? Object.entries(value).map(([name, inner]) => [`f:${name}`, inner] as const)
    : Array.isArray(value) && path.length === 2 && last === "f:ownerReferences"
      ? value.map((item) => [`k:${JSON.stringify({ uid: Object(item).uid })}`, "whole"] as const)
      : Array.isArray(value) && path.length === 2 && last === "f:finalizers"
        ? value.map((item) => [`v:${JSON.stringify(item)}`, "whole"] as const)
        : [];
  if (parts.length === 0) found.add(path.join(SEPARATOR));
  for (const [part, inner] of parts) collect(found, [...path, part], inner);
}

/** The value at a path; undefined where there is none. */
export function valueAt(object: Json, path: string): unknown {
  let value: unknown = object;
  for (const part of path.split(SEPARATOR)) {
    if (part.startsWith("f:")) value = isObject(value) ? value[part.slice(2)] : undefined;
    else if (Array.isArray(value)) value = value.find((item) => isItem(part, item));
    else return undefined;
  }
  return value;
}

function isItem(part: string, item: unknown): boolean {
  const key: unknown = JSON.parse(part.slice(2));
  return part.startsWith("v:") ? item === key : Object(item).uid === Object(key).uid;
}

export function setAt(object: Json, path: string, value: unknown): void {
  change(object, path.split(SEPARATOR), value);
}

export function removeAt(object: Json, path: string): void {
  change(object, path.split(SEPARATOR), undefined);
}

function change(parent: Json, [part = "", ...rest]: readonly string[], value: unknown): void {
  const name = part.slice(2);
  const [next] = rest;
  if (next === undefined) put(parent, name, value);
  else if (next.startsWith("f:")) changeIn(parent, name, rest, value);
  else changeItem(parent, name, next, value);
}

function put(parent: Json, name: string, value: unknown): void {
  if (value === undefined) delete parent[name];
  else parent[name] = structuredClone(value);
}

function changeIn(parent: Json, name: string, rest: readonly string[], value: unknown): void {
  const inner = parent[name];
  if (!isObject(inner) && value === undefined) return;
  const child: Json = isObject(inner) ? inner : {};
  parent[name] = child;
  change(child, rest, value);
  if (value === undefined && Object.keys(child).length === 0) delete parent[name];
}

function changeItem(parent: Json, name: string, part: string, value: unknown): void {
  const there = parent[name];
  const list: unknown[] = Array.isArray(there) ? [...there] : [];
  const at = list.findIndex((item) => isItem(part, item));
  const items = value === undefined ? [] : [structuredClone(value)];
  if (at >= 0) list.splice(at, 1, ...items);
  else list.push(...items);
  put(parent, name, list.length === 0 ? undefined : list);
}

/** `fieldsV1` of these paths, its members in one order, so that equal sets are equal texts. */
export function treeOf(paths: ReadonlySet<string>): Json {
  const tree: Json = {};
  for (const path of [...paths].sort()) {
    let at = tree;
    for (const part of path.split(SEPARATOR)) {
      const inner = isObject(at[part]) ? (at[part] as Json) : {};
      at[part] = inner;
      at = inner;
    }
  }
  return tree;
}

/** The paths of a `fieldsV1` that somebody wrote. */
export function pathsIn(tree: Json, above: readonly string[] = []): Set<string> {
  const found = new Set<string>();
  const names = Object.keys(tree).filter((name) => name !== ".");
  if (names.length === 0 && above.length > 0) found.add(above.join(SEPARATOR));
  for (const name of names) {
    const inner = tree[name];
    for (const path of pathsIn(isObject(inner) ? inner : {}, [...above, name])) found.add(path);
  }
  return found;
}

export function managedFields(entries: readonly Entry[], apiVersion: string): readonly Json[] {
  return entries.map(({ manager, operation, subresource, paths, time }) => ({
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: "FieldsV1",
    fieldsV1: treeOf(paths),
    ...(subresource === undefined ? {} : { subresource }),
  }));
}

export function entriesOf(managed: unknown): readonly Entry[] {
  return (Array.isArray(managed) ? managed : []).filter(isObject).map((entry) => ({
    manager: String(entry.manager),
    operation: entry.operation === "Apply" ? "Apply" : "Update",
    ...(typeof entry.subresource === "string" ? { subresource: entry.subresource } : {}),
    paths: pathsIn(isObject(entry.fieldsV1) ? entry.fieldsV1 : {}),
    time: String(entry.time),
  }));
}

export interface Writer {
  readonly manager: string;
  readonly time: string;
  readonly subresource?: string;
}

/** Owners after somebody wrote an object as a whole or patched it: what changed is theirs, what went is nobody's. */
export function afterUpdate(entries: readonly Entry[], before: Json, next: Json, writer: Writer): readonly Entry[] {
  const [old, present] = [pathsOf(before), pathsOf(next)];
  const changed = new Set(
    [...present].filter((path) => !old.has(path) || !isDeepStrictEqual(valueAt(before, path), valueAt(next, path))),
  );
  const gone = new Set([...old].filter((path) => !present.has(path)));
  if (changed.size === 0 && gone.size === 0) return entries;
  const isTheirs = (entry: Entry): boolean =>
    entry.manager === writer.manager && entry.operation === "Update" && entry.subresource === writer.subresource;
  const others = entries
    .filter((entry) => !isTheirs(entry))
    .map((entry) => ({ ...entry, paths: without(entry.paths, changed, gone) }));
  const own = entries.find(isTheirs);
  const paths = new Set([...without(own?.paths ?? new Set<string>(), gone), ...changed]);
  const { manager, time, subresource } = writer;
  const mine: Entry = {
    manager,
    operation: "Update",
    paths,
    time: changed.size > 0 ? time : (own?.time ?? time),
    ...(subresource === undefined ? {} : { subresource }),
  };
  return [...others, mine].filter((entry) => entry.paths.size > 0);
}

function without(paths: ReadonlySet<string>, ...sets: readonly ReadonlySet<string>[]): ReadonlySet<string> {
  return new Set([...paths].filter((path) => !sets.some((set) => set.has(path))));
}

export interface Applied {
  readonly object: Json;
  readonly entries: readonly Entry[];
  /** Fields that others own and that differ. */
  readonly conflicts: readonly string[];
}

/** Server-side apply: what the manager no longer names goes unless others own it too, what it names is set and its own. */
export function applied(live: Json, entries: readonly Entry[], config: Json, writer: Writer): Applied {
  const isOurs = (entry: Entry): boolean =>
    entry.manager === writer.manager && entry.operation === "Apply" && entry.subresource === undefined;
  const own = entries.find(isOurs);
  const others = entries.filter((entry) => !isOurs(entry));
  const named = pathsOf(config);
  const object = structuredClone(live);
  const isOwnedElsewhere = (path: string): boolean => others.some(({ paths }) => paths.has(path));
  const isAbove = (path: string): boolean => [...named].some((other) => other.startsWith(path + SEPARATOR));
  for (const path of own?.paths ?? []) {
    if (!named.has(path) && !isOwnedElsewhere(path) && !isAbove(path)) removeAt(object, path);
  }
  const changed = new Set([...named].filter((path) => !isDeepStrictEqual(valueAt(live, path), valueAt(config, path))));
  for (const path of named) setAt(object, path, valueAt(config, path));
  const conflicts = [...changed].filter(isOwnedElsewhere);
  const left = others.map((entry) => ({ ...entry, paths: without(entry.paths, changed) }));
  const mine: Entry = { manager: writer.manager, operation: "Apply", paths: named, time: writer.time };
  const isSame = own !== undefined && isDeepStrictEqual(own.paths, named);
  const before = entries.findIndex(isOurs);
  const next = [...left];
  next.splice(before < 0 ? next.length : before, 0, isSame && changed.size === 0 ? { ...mine, time: own.time } : mine);
  return { object, entries: next.filter((entry) => entry.paths.size > 0), conflicts };
}
