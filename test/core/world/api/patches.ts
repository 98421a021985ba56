import { isDeepStrictEqual } from "node:util";
import { isObject, type Json } from "./fields.ts";

/** RFC 7386. */
export function mergePatched(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return structuredClone(patch);
  const result: Json = isObject(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatched(result[name], value);
  }
  return result;
}

/** A test of a JSON patch that does not hold. */
export class TestFailed extends Error {}

/** RFC 6902, as far as it is used: test, add, replace, remove. Throws TestFailed. */
export function jsonPatched(target: Json, operations: unknown): Json {
  const result = structuredClone(target);
  for (const operation of Array.isArray(operations) ? operations.filter(isObject) : []) {
    const parts = String(operation.path).split("/").slice(1).map(unescaped);
    const last = parts.pop() ?? "";
    const parent = parts.reduce<unknown>(
      (at, part) => (isObject(at) || Array.isArray(at) ? Object(at)[part] : undefined),
      result,
    );
    if (!isObject(parent) && !Array.isArray(parent)) throw new TestFailed(`nothing at ${String(operation.path)}`);
    operate(parent, last, operation);
  }
  return result;
}

function unescaped(part: string): string {
  return part.replaceAll("~1", "/").replaceAll("~0", "~");
}

function operate(parent: Json | unknown[], name: string, { op, value }: Json): void {
  const there: unknown = Object(parent)[name];
  const isThere = op === "test" ? isDeepStrictEqual(there, value) : op !== "remove" || there !== undefined;
  if (!isThere) throw new TestFailed(name);
  if (op === "test") return;
  if (Array.isArray(parent)) operateOnList(parent, name, op, value);
  else if (op === "remove") delete parent[name];
  else parent[name] = structuredClone(value);
}

function operateOnList(list: unknown[], name: string, op: unknown, value: unknown): void {
  const at = name === "-" ? list.length : Number(name);
  const items = op === "remove" ? [] : [structuredClone(value)];
  list.splice(at, op === "add" ? 0 : 1, ...items);
}
