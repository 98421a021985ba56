import { isDeepStrictEqual } from "node:util";
import type { Json } from "../util/json.ts";
import { jsonExcess } from "../util/json-bounds.ts";

/**
 * JSON Patch (RFC 6902) for the annotations that change the agent's containers. Small limits hold for everything,
 * because a patch of a few lines may copy a document into itself until memory ends.
 */

export type PatchOperation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: Json }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly path: string; readonly from: string };

const MAX_OPERATIONS = 100;
const MAX_DEPTH = 16;
const MAX_VALUES = 10_000;
/** Characters of JSON that all `copy` and `test` operations of a patch may handle. */
const MAX_HANDLED = 64 * 1024;

const POINTER = /^(\/([^~/]|~[01])*)*$/;
const INDEX = /^(0|[1-9][0-9]{0,5})$/;

/** The operations of an annotation's value, or what is wrong with it. Never quotes the value. */
export function parsePatch(text: string): readonly PatchOperation[] | string {
  const excess = jsonExcess(Buffer.from(text), { depth: MAX_DEPTH, values: MAX_VALUES });
  if (excess !== undefined) return excess;
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return "must be a JSON Patch: it is not JSON";
  }
  if (!Array.isArray(parsed)) return "must be a JSON Patch: a list of operations";
  if (parsed.length > MAX_OPERATIONS) return `has more than ${MAX_OPERATIONS} operations`;
  const at = parsed.findIndex((operation) => !isOperation(operation));
  return at === -1 ? (parsed as PatchOperation[]) : `operation ${at} is none of RFC 6902`;
}

function isOperation(value: unknown): value is PatchOperation {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const { op, path, from } = value as Record<string, unknown>;
  if (!isPointer(path)) return false;
  switch (op) {
    case "add":
    case "replace":
    case "test":
      return Object.hasOwn(value, "value");
    case "remove":
      return true;
    case "move":
    case "copy":
      return isPointer(from);
    default:
      return false;
  }
}

/** `__proto__` is no member of a container, and only a danger. */
function isPointer(value: unknown): value is string {
  if (typeof value !== "string" || !POINTER.test(value)) return false;
  const tokens = tokensOf(value);
  return tokens.length <= MAX_DEPTH && !tokens.includes("__proto__");
}

function tokensOf(pointer: string): readonly string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
}

class Inapplicable extends Error {}

type Container = Record<string, unknown> | unknown[];

/** The patched copy of a document, or the reason why the patch does not apply to it. */
export function applyPatch(document: Json, operations: readonly PatchOperation[]): Json | Inapplicability {
  const work = { root: structuredClone(document) as unknown, handled: 0 };
  for (const [at, operation] of operations.entries()) {
    try {
      apply(work, operation);
    } catch (error) {
      if (!(error instanceof Inapplicable)) throw error;
      return { inapplicable: `operation ${at}: ${error.message}` };
    }
  }
  return work.root as Json;
}

export interface Inapplicability {
  readonly inapplicable: string;
}

interface Work {
  root: unknown;
  handled: number;
}

function apply(work: Work, operation: PatchOperation): void {
  const to = tokensOf(operation.path);
  switch (operation.op) {
    case "add":
      put(work, to, structuredClone(operation.value));
      break;
    case "replace":
      take(work, to);
      put(work, to, structuredClone(operation.value));
      break;
    case "remove":
      take(work, to);
      break;
    case "move": {
      if (operation.path.startsWith(`${operation.from}/`)) throw new Inapplicable("moves a value into itself");
      put(work, to, take(work, tokensOf(operation.from)));
      break;
    }
    case "copy": {
      const found = valueAt(work.root, tokensOf(operation.from));
      handle(work, found);
      put(work, to, structuredClone(found));
      break;
    }
    case "test": {
      const found = valueAt(work.root, to);
      handle(work, found);
      if (!isDeepStrictEqual(found, operation.value)) throw new Inapplicable("the test fails");
    }
  }
}

function handle(work: Work, value: unknown): void {
  work.handled += JSON.stringify(value).length;
  if (work.handled > MAX_HANDLED) throw new Inapplicable(`copies and tests more than ${MAX_HANDLED} characters`);
}

function child(parent: unknown, token: string): unknown {
  if (Array.isArray(parent)) {
    if (INDEX.test(token) && Number(token) < parent.length) return parent[Number(token)];
  } else if (typeof parent === "object" && parent !== null && Object.hasOwn(parent, token)) {
    return (parent as Record<string, unknown>)[token];
  }
  throw new Inapplicable("its path does not exist");
}

function valueAt(root: unknown, tokens: readonly string[]): unknown {
  return tokens.reduce(child, root);
}

function parentOf(work: Work, tokens: readonly string[]): Container {
  const parent = valueAt(work.root, tokens.slice(0, -1));
  if (typeof parent !== "object" || parent === null) throw new Inapplicable("its path does not exist");
  return parent as Container;
}

function put(work: Work, tokens: readonly string[], value: unknown): void {
  const last = tokens.at(-1);
  if (last === undefined) {
    work.root = value;
    return;
  }
  const parent = parentOf(work, tokens);
  if (!Array.isArray(parent)) {
    parent[last] = value;
    return;
  }
  const index = last === "-" ? parent.length : INDEX.test(last) ? Number(last) : Number.NaN;
  if (!(index <= parent.length)) throw new Inapplicable("its index is outside the list");
  parent.splice(index, 0, value);
}

function take(work: Work, tokens: readonly string[]): unknown {
  const found = valueAt(work.root, tokens);
  const last = tokens.at(-1);
  if (last === undefined) {
    work.root = null;
    return found;
  }
  const parent = parentOf(work, tokens);
  if (Array.isArray(parent)) parent.splice(Number(last), 1);
  else delete parent[last];
  return found;
}
