import { asObject } from "../util/canonical.ts";
import type { Json, JsonObject } from "../util/json.ts";

/** Undefined: it is not the JSON of an object. */
export function parsedObject(text: string): JsonObject | undefined {
  try {
    return asObject(JSON.parse(text) as Json);
  } catch {
    return undefined;
  }
}

/** Empty for what is missing or no text. */
export function textOf(object: JsonObject | undefined, name: string): string {
  const value = object?.[name];
  return typeof value === "string" ? value : "";
}

/** Of kv-v2, which begins with 1. */
export function versionOf(value: Json | undefined): number | undefined {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 1 ? value : undefined;
}
