import { nameProblem } from "../../names.ts";
import type { Complaint } from "../../util/complaints.ts";

/** A Secret of which keys are pushed, as an annotation names it. */
export interface PushEntry {
  readonly secret: string;
  /** Missing: all. */
  readonly keys?: readonly string[];
  /** Names in Vault by key, for keys whose name is another one there. */
  readonly fields?: ReadonlyMap<string, string>;
  /** Before each key, without a separator. */
  readonly prefix: string;
  /** It may be missing: then it adds nothing. */
  readonly optional: boolean;
}

/** The name of a key in Vault. */
export function fieldOf({ fields, prefix }: Pick<PushEntry, "fields" | "prefix">, key: string): string {
  return fields?.get(key) ?? `${prefix}${key}`;
}

/** The maximum number of entries, and of keys in all of them: more is no hand-written annotation. */
const MAX_ENTRIES = 64;
export const MAX_KEYS = 1_000;

export const SECRET_KEY = /^[-._a-zA-Z0-9]+$/;
const MAX_FIELD = 253;

/** `misread`: where entries have unknown members. */
type Told =
  | { readonly entries: readonly PushEntry[]; readonly misread: readonly number[] }
  | { readonly complaints: readonly Complaint[] };

/** The members of an entry. */
const MEMBERS = ["name", "keys", "prefix"];

/**
 * The entries of the annotation `vault-sync.io/secrets`, or everything that is wrong with them. As in Go, unknown
 * members are no error, names of members are compared without case, and null is an empty list.
 */
export function parseEntries(text: string): Told {
  const parsed = jsonOf(text);
  if (parsed === undefined) return told([], "is not JSON");
  const list = parsed.value ?? [];
  if (!Array.isArray(list)) return told([], 'must be a list, such as [{"name":"db","keys":["user"]}]');
  if (list.length > MAX_ENTRIES) return told([], `must have at most ${MAX_ENTRIES} entries`);
  const read = list.map((item, at) => entryOf(item, at));
  const complaints = read.flatMap((one) => one.complaints);
  const entries = read.flatMap((one) => (one.entry === undefined ? [] : [one.entry]));
  const count = entries.reduce((sum, { keys = [] }) => sum + keys.length, 0);
  if (count > MAX_KEYS) return told([], `must name at most ${MAX_KEYS} keys`);
  const all = [...complaints, ...(complaints.length === 0 ? collisions(entries) : [])];
  if (all.length > 0) return { complaints: all };
  return { entries, misread: list.flatMap((item, at) => (isMisread(Object(item)) ? [at] : [])) };
}

function told(path: readonly PropertyKey[], message: string): Told {
  return { complaints: [{ path, message }] };
}

function jsonOf(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

interface Read {
  readonly entry?: PushEntry;
  readonly complaints: readonly Complaint[];
}

function entryOf(item: unknown, at: number): Read {
  if (typeof item !== "object" || item === null || Array.isArray(item)) {
    return { complaints: [{ path: [at], message: "must be a map with name and keys" }] };
  }
  const members = new Map(Object.entries(item).map(([name, value]) => [name.toLowerCase(), value as unknown]));
  const {
    name = "",
    keys = [],
    prefix = "",
  } = {
    name: members.get("name") ?? undefined,
    keys: members.get("keys") ?? undefined,
    prefix: members.get("prefix") ?? undefined,
  };
  const complaints: Complaint[] = [];
  const complain = (path: readonly PropertyKey[], message: string | undefined): void => {
    if (message !== undefined) complaints.push({ path: [at, ...path], message });
  };
  complain(["name"], typeof name === "string" ? (name === "" ? "required" : nameProblem(name)) : "must be a string");
  complain(["prefix"], typeof prefix === "string" ? fieldProblem(prefix) : "must be a string");
  if (!Array.isArray(keys)) complain(["keys"], "must be a list");
  else for (const [index, key] of keys.entries()) complain(["keys", index], keyProblem(key));
  if (complaints.length > 0) return { complaints };
  const wanted = [...new Set(keys as readonly string[])];
  return { entry: { secret: String(name), keys: wanted, prefix: String(prefix), optional: false }, complaints };
}

function isMisread(item: object): boolean {
  return Object.keys(item).some((name) => !MEMBERS.includes(name.toLowerCase()));
}

function keyProblem(key: unknown): string | undefined {
  if (typeof key !== "string") return "must be a string";
  const isKey = SECRET_KEY.test(key) && key.length <= MAX_FIELD;
  return isKey ? undefined : "must be a key of a Secret: letters, digits, -, _ and .";
}

function fieldProblem(prefix: string): string | undefined {
  if (prefix.length > MAX_FIELD) return `must have at most ${MAX_FIELD} characters`;
  return /\p{Cc}/u.test(prefix) || !prefix.isWellFormed() ? "must have no control characters" : undefined;
}

/** Two entries for one field would overwrite each other. */
function collisions(entries: readonly PushEntry[]): readonly Complaint[] {
  const seen = new Map<string, number>();
  return entries.flatMap(({ keys = [], prefix }, at) =>
    keys.flatMap((key, index): readonly Complaint[] => {
      const field = `${prefix}${key}`;
      const before = seen.get(field);
      if (before === undefined) seen.set(field, at);
      return before === undefined
        ? []
        : [{ path: [at, "keys", index], message: `becomes the same field as a key of entry ${before}: add a prefix` }];
    }),
  );
}
