import { GO_DURATION, MAX_ID, MAX_QUANTITY, QUANTITY, type TemplateFormat } from "../injector-settings.ts";
import { type PatchOperation, parsePatch } from "./json-patch.ts";

/** The types of annotations: how a value is written, and what it means. Problems never quote the value. */

export interface ValueOf {
  readonly bool: boolean;
  readonly text: string;
  readonly list: readonly string[];
  readonly id: number;
  readonly seconds: number;
  readonly count: number;
  readonly fraction: number;
  readonly duration: string;
  /** `null`: the entry is to be left out. */
  readonly quantity: string | null;
  readonly format: TemplateFormat;
  readonly patch: readonly PatchOperation[];
  readonly binary: "vault" | "bao";
  readonly seccomp: "RuntimeDefault" | "none";
}

export type ValueType = keyof ValueOf;

/** `unset`: the same as no annotation. */
export type Parsed<T> = { readonly value: T } | { readonly problem: string } | "unset";

interface TypeRule<T> {
  /** How the type is called in the documentation. */
  readonly name: string;
  readonly parse: (text: string) => Parsed<T>;
}

/** Go's rules. */
const TRUE: ReadonlySet<string> = new Set(["1", "t", "T", "true", "TRUE", "True"]);
const FALSE: ReadonlySet<string> = new Set(["", "0", "f", "F", "false", "FALSE", "False"]);

const FLOAT = /^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$/;
/** A year; longer than any pod may take to stop. */
const MAX_SECONDS = 31_536_000;

function pattern(matches: RegExp, problem: string): (text: string) => Parsed<string> {
  return (text) => (text.length <= MAX_QUANTITY && matches.test(text) ? { value: text } : { problem });
}

function whole(max: number): (text: string) => Parsed<number> {
  return (text) => {
    const value = Number(text);
    const isWhole = text.length <= MAX_QUANTITY && /^\+?[0-9]+$/.test(text) && value <= max;
    return isWhole ? { value } : { problem: `must be a whole number from 0 to ${max}` };
  };
}

function oneOf<T extends string>(values: readonly T[]): (text: string) => Parsed<T> {
  return (text) => {
    const value = values.find((one) => one === text);
    return value === undefined ? { problem: `must be ${values.join(" or ")}` } : { value };
  };
}

/** An empty text means the same as no annotation. */
function orUnset<T>(parse: (text: string) => Parsed<T>): (text: string) => Parsed<T> {
  return (text) => (text === "" ? "unset" : parse(text));
}

function boolean(text: string): Parsed<boolean> {
  if (TRUE.has(text)) return { value: true };
  return FALSE.has(text) ? { value: false } : { problem: "must be true or false" };
}

function words(text: string): Parsed<readonly string[]> {
  const value = text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");
  return value.length === 0 ? "unset" : { value };
}

function fraction(text: string): Parsed<number> {
  const value = Number(text);
  const isValid = text.length <= MAX_QUANTITY && FLOAT.test(text) && value >= 0 && value <= 1;
  return isValid ? { value } : { problem: "must be a number from 0 to 1" };
}

function patch(text: string): Parsed<readonly PatchOperation[]> {
  const value = parsePatch(text);
  return typeof value === "string" ? { problem: value } : { value };
}

const quantity = pattern(QUANTITY, "must be a quantity of Kubernetes, such as 250m or 64Mi");

export const VALUE_TYPES: { readonly [T in ValueType]: TypeRule<ValueOf[T]> } = {
  bool: { name: "true or false", parse: boolean },
  text: { name: "text", parse: orUnset((value) => ({ value })) },
  list: { name: "names, separated by commas", parse: words },
  id: { name: "id", parse: whole(MAX_ID) },
  seconds: { name: "seconds", parse: whole(MAX_SECONDS) },
  count: { name: "whole number", parse: whole(MAX_ID) },
  fraction: { name: "number from 0 to 1", parse: fraction },
  duration: {
    name: "duration of Go, such as 1m30s",
    parse: orUnset(pattern(GO_DURATION, "must be a duration of Go, such as 500ms or 1m30s")),
  },
  quantity: { name: "quantity", parse: (text) => (text === "" ? { value: null } : quantity(text)) },
  format: { name: "map or json", parse: (text) => oneOf(["map", "json"] as const)(text.toLowerCase()) },
  patch: { name: "JSON Patch", parse: orUnset(patch) },
  binary: { name: "vault or bao", parse: orUnset(oneOf(["vault", "bao"] as const)) },
  seccomp: { name: "RuntimeDefault or none", parse: orUnset(oneOf(["RuntimeDefault", "none"] as const)) },
};
