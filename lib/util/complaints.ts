import type { z } from "zod";

/** What is wrong, and where. Never quotes the value. */
export interface Complaint {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

const MAX_KEY = 64;

function cut(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max).toWellFormed()}…`;
}

/** `spec.destination.labels["a/b"]`, `clusters[0].name`. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const key = cut(String(part), MAX_KEY);
    if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key)) return `${text}[${JSON.stringify(key)}]`;
    return text === "" ? key : `${text}.${key}`;
  }, "");
}

/** The value at a path, or undefined. */
export function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, part) => {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    return (value as Record<PropertyKey, unknown>)[part];
  }, input);
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
};

function typeMessage(expected: string, found: unknown): string {
  return found === undefined ? "required" : `must be ${NOUNS[expected] ?? expected}`;
}

function messageOf(issue: z.core.$ZodIssue, found: unknown): string {
  switch (issue.code) {
    case "invalid_type":
      // The schema may have words of its own.
      if (found !== undefined && !issue.message.startsWith("Invalid input")) return issue.message;
      return typeMessage(issue.expected, found);
    case "invalid_value":
      return found === undefined ? "required" : `must be one of ${issue.values.map(String).join(", ")}`;
    case "too_small":
      if (issue.origin === "string") return "must not be empty";
      return issue.origin === "array" ? issue.message : `must be at least ${issue.minimum}`;
    case "too_big":
      if (issue.origin === "string") return `must have at most ${issue.maximum} characters`;
      // Of a list, the schema may have words of its own.
      return issue.message.startsWith("Too big") ? `must be at most ${issue.maximum}` : issue.message;
    default:
      return issue.message;
  }
}

/** Zod's issues in our words, each with its path; an unknown field is a complaint about that field. */
export function complaintsOf(error: z.ZodError, input: unknown): readonly Complaint[] {
  return error.issues.flatMap((issue): readonly Complaint[] => {
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => ({ path: [...issue.path, key], message: "unknown field" }));
    }
    return [{ path: issue.path, message: messageOf(issue, valueAt(input, issue.path)) }];
  });
}

const MAX_COMPLAINTS = 20;

/** `path: message` for each, at most twenty, so that a broken file does not fill the screen. */
export function complaintLines(complaints: readonly Complaint[], root: readonly PropertyKey[] = []): readonly string[] {
  const lines = complaints
    .slice(0, MAX_COMPLAINTS)
    .map(({ path, message }) => `${pathText([...root, ...path])}: ${message}`);
  const left = complaints.length - lines.length;
  return left > 0 ? [...lines, `and ${left} more`] : lines;
}
