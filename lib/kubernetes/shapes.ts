import { SyncError } from "../errors.ts";

/** JSON as it came, before it is believed. */
export type Shape = Readonly<Record<string, unknown>>;

const NOTHING: Shape = {};

export function isShape(value: unknown): value is Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The object at this member; an empty one when there is none. */
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

/** A whole number from 0 on that JavaScript holds exactly: what is stored, compared or calculated with. */
export function countAt(parent: Shape, key: string): number | undefined {
  const value = numberAt(parent, key);
  return value !== undefined && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

/** The members of this object that are texts: labels, annotations, base64 data. */
export function textsAt(parent: Shape, key: string): Readonly<Record<string, string>> {
  const entries = Object.entries(shapeAt(parent, key));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === "string"));
}

/** Versions are compared as integers (lease-table 20): what is none must not come as far as that. */
const RESOURCE_VERSION = /^\d{1,20}$/;

/** Part of keys and messages. */
const UID = /^[!-~]{1,128}$/;

/** `metadata` of an object that must have a uid and a resourceVersion. */
export function metadataOf(object: Shape, what: string): { metadata: Shape; uid: string; resourceVersion: string } {
  const metadata = shapeAt(object, "metadata");
  const uid = textAt(metadata, "uid") ?? "";
  if (!UID.test(uid)) throw new SyncError("KUBE_ANSWER_INVALID", `${what} came back without a valid uid`);
  return { metadata, uid, resourceVersion: resourceVersionIn(metadata, what) };
}

/** `metadata.resourceVersion`, which an object, a list and a bookmark must have. */
export function resourceVersionIn(metadata: Shape, what: string): string {
  const resourceVersion = textAt(metadata, "resourceVersion") ?? "";
  if (RESOURCE_VERSION.test(resourceVersion)) return resourceVersion;
  throw new SyncError("KUBE_ANSWER_INVALID", `${what} came back without a valid resourceVersion`);
}
