import { SyncError } from "../errors.ts";

/** Parsed JSON that is not validated yet. */
export type Shape = Readonly<Record<string, unknown>>;

const NOTHING: Shape = {};

export function isShape(value: unknown): value is Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object at this member; empty when there is none. */
export function shapeAt(parent: Shape, key: string): Shape {
  const value = parent[key];
  return isShape(value) ? value : NOTHING;
}

/** The objects in the list at this member. */
export function shapesAt(parent: Shape, key: string): readonly Shape[] {
  const value = parent[key];
  return Array.isArray(value) ? value.filter(isShape) : [];
}

export function textAt(parent: Shape, key: string): string | undefined {
  const value = parent[key];
  return typeof value === "string" ? value : undefined;
}

export function numberAt(parent: Shape, key: string): number | undefined {
  const value = parent[key];
  return typeof value === "number" ? value : undefined;
}

/** A safe integer of at least 0, for values that are stored, compared or used in arithmetic. */
export function countAt(parent: Shape, key: string): number | undefined {
  const value = numberAt(parent, key);
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** The string members of this object: labels, annotations, base64 data. */
export function textsAt(parent: Shape, key: string): Readonly<Record<string, string>> {
  const entries = Object.entries(shapeAt(parent, key));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** Versions are compared as integers (lease-table 20), so others are refused here. */
const RESOURCE_VERSION = /^\d{1,20}$/;

/** Becomes part of keys and messages. */
const UID = /^[!-~]{1,128}$/;

/** The `metadata` of an object, with the required uid and resourceVersion. */
export function metadataOf(object: Shape, what: string): { metadata: Shape; uid: string; resourceVersion: string } {
  const metadata = shapeAt(object, "metadata");
  const uid = textAt(metadata, "uid") ?? "";
  if (!UID.test(uid)) throw new SyncError("KUBE_ANSWER_INVALID", `${what} came back without a valid uid`);
  return { metadata, uid, resourceVersion: resourceVersionIn(metadata, what) };
}

/** The required `metadata.resourceVersion` of an object, a list or a bookmark. */
export function resourceVersionIn(metadata: Shape, what: string): string {
  const resourceVersion = textAt(metadata, "resourceVersion") ?? "";
  if (RESOURCE_VERSION.test(resourceVersion)) return resourceVersion;
  throw new SyncError("KUBE_ANSWER_INVALID", `${what} came back without a valid resourceVersion`);
}
