import { nearest } from "../util/nearest.ts";
import { printable } from "../util/printable.ts";
import type { Annotation } from "./annotation.ts";
import {
  GROUPS,
  OWN_PREFIX,
  type ParameterEntry,
  type PodEntry,
  type SecretEntry,
  VAULT_PREFIX,
} from "./annotations.ts";
import type { Notes } from "./notes.ts";
import { type Parsed, VALUE_TYPES, type ValueOf } from "./value-types.ts";

/** A pod's annotations, parsed by the table. */
export interface AnnotationValues {
  /** The value of an annotation of the pod; undefined without it. */
  get<N extends PodEntry["name"]>(name: N): ValueOf[Extract<PodEntry, { name: N }>["type"]] | undefined;
  /** The same of one secret. */
  ofSecret<N extends SecretEntry["name"]>(
    name: N,
    secret: string,
  ): ValueOf[Extract<SecretEntry, { name: N }>["type"]] | undefined;
  /** The names of secrets that this annotation is set for. */
  secretsOf(name: SecretEntry["name"]): readonly string[];
  parameters(name: ParameterEntry["name"]): ReadonlyMap<string, string>;
  /** Whether the annotation is there, even with an empty value. */
  has(name: PodEntry["name"]): boolean;
}

interface Known {
  readonly prefix: string;
  readonly entry: Annotation;
}

const ALL: readonly Known[] = GROUPS.flatMap(({ prefix, annotations }) =>
  (annotations as readonly Annotation[]).map((entry) => ({ prefix, entry })),
);
const ofPod = new Map(ALL.filter(({ entry }) => !entry.of).map((known) => [known.prefix + known.entry.name, known]));
/** The longest name first: `agent-inject-template-file-x` is the file of `x`. */
const ofMany = ALL.filter(({ entry }) => entry.of).toSorted((a, b) => b.entry.name.length - a.entry.name.length);

const MAX_SHOWN = 128;
/** Longer names are no typing errors. */
const MAX_COMPARED = 63;

/** The name of an annotation for messages. Its value is never part of one. */
export function shownName(name: string): string {
  return printable(name, MAX_SHOWN);
}

function nameOf(key: string): { readonly entry: Annotation; readonly rest?: string } | undefined {
  const known = ofPod.get(key);
  if (known !== undefined) return { entry: known.entry };
  for (const { prefix, entry } of ofMany) {
    const start = `${prefix}${entry.name}-`;
    if (key.length > start.length && key.startsWith(start)) {
      return { entry, rest: key.slice(start.length) };
    }
  }
  return undefined;
}

/** Only annotations of the injector; others may use the prefix `keyferry.dev/` too. */
function isInjectors(key: string): boolean {
  return key.startsWith(VAULT_PREFIX) || key.startsWith(`${OWN_PREFIX}agent-`);
}

function unknown(key: string): string {
  if (ofMany.some(({ prefix, entry }) => key === `${prefix}${entry.name}` || key === `${prefix}${entry.name}-`)) {
    return "has no effect: a name must follow, as in agent-inject-secret-NAME";
  }
  const near =
    key.length <= VAULT_PREFIX.length + MAX_COMPARED
      ? nearest(key, [...ofPod.keys()], ({ length }) => Math.max(1, Math.floor((length - VAULT_PREFIX.length) / 4)))
      : undefined;
  return `is unknown and has no effect${near === undefined ? "" : ` (did you mean ${near}?)`}`;
}

/** Values by the name of the annotation, and then of the secret or parameter; "" for those of the whole pod. */
class Values {
  readonly #values = new Map<string, Map<string, unknown>>();

  set(name: string, of: string, value: unknown): void {
    this.#values.set(name, (this.#values.get(name) ?? new Map()).set(of, value));
  }

  all(name: string): ReadonlyMap<string, unknown> {
    return this.#values.get(name) ?? new Map();
  }
}

/** Parses all annotations of the injector and notes every problem. */
export function readAnnotations(annotations: ReadonlyMap<string, string>, notes: Notes): AnnotationValues {
  const values = new Values();
  for (const [key, text] of annotations) {
    if (isInjectors(key)) readInto(values, key, text, notes);
  }
  return {
    get: (name) => values.all(name).get("") as never,
    ofSecret: (name, secret) => values.all(name).get(secret) as never,
    secretsOf: (name) => [...values.all(name).keys()].filter((secret) => secret !== ""),
    parameters: (name) => values.all(name) as ReadonlyMap<string, string>,
    has: (name) => annotations.has(VAULT_PREFIX + name) || annotations.has(OWN_PREFIX + name),
  };
}

function readInto(values: Values, key: string, text: string, notes: Notes): void {
  const found = nameOf(key);
  if (found === undefined) {
    notes.warn(key, () => unknown(key));
    return;
  }
  const { entry, rest = "" } = found;
  const parsed = VALUE_TYPES[entry.type].parse(text) as Parsed<unknown>;
  if (parsed === "unset") return;
  if ("problem" in parsed) notes.refuse(key, parsed.problem);
  else values.set(entry.name, entry.of === "parameter" ? rest.replaceAll("-", "_") : rest, parsed.value);
}
