import type { Json, JsonObject } from "./json.ts";

export function asObject(value: Json | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : undefined;
}

/** JSON with sorted keys, so that equal values have equal text. */
export function canonical(value: Json | undefined): string {
  if (value === undefined) return "null";
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const object = asObject(value);
  if (!object) return JSON.stringify(value);
  let members = "";
  for (const key of Object.keys(object).sort())
    members += `${members === "" ? "" : ","}${JSON.stringify(key)}:${canonical(object[key])}`;
  return `{${members}}`;
}

/** Whether both have the same canonical text, without making it: `undefined` counts as null, as a member too. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, at) => sameJson(item, b[at]));
  }
  const [left, right] = [asObject(a), asObject(b)];
  if (left === undefined || right === undefined) return canonical(a) === canonical(b);
  const names = Object.keys(left);
  if (names.length !== Object.keys(right).length) return false;
  return names.every((name) => Object.hasOwn(right, name) && sameJson(left[name], right[name]));
}
