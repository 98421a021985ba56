import type { z } from "zod";
import { pathText, valueAt } from "../util/complaints.ts";
import { FILE_FIELDS } from "./checks.ts";
import type { Fleet } from "./fleet.ts";
import { fleetSchema } from "./schema.ts";

/** A file that a fleet names. */
export interface NamedFile {
  /** As fleet.yaml writes it. */
  readonly path: string;
  /** `credentials` may log in somewhere; `certificates` are public. */
  readonly holds: "kubeconfig" | "credentials" | "certificates";
  /** The fields that name it. */
  readonly fields: readonly string[];
  /** Of a kubeconfig: the contexts that are used; undefined is its current context. */
  readonly contexts: readonly (string | undefined)[];
}

type Schema = z.core.$ZodType;
type Pattern = readonly string[];

/** Stands for every item of a list or a map. */
const EACH = "*";

/** The places of all fields that name a file, by the schema, so that a new field can't be forgotten. */
export const FILE_PLACES = patternsOf(fleetSchema, []);

/** Every file of the fleet once, in the order of fleet.yaml. */
export function namedFiles(fleet: Fleet): readonly NamedFile[] {
  const places = FILE_PLACES.flatMap((pattern) => placesOf(fleet, pattern));
  const byPath = Map.groupBy(places, (place) => String(valueAt(fleet, place)));
  return [...byPath].map(([path, found]) => {
    const kinds = found.map(kindOf);
    const contexts = found
      .filter((place) => kindOf(place) === "kubeconfig")
      .map((place) => valueAt(fleet, [...place.slice(0, -1), "context"]));
    return {
      path,
      holds: kinds.find((kind) => kind !== "certificates") ?? "certificates",
      fields: found.map(pathText),
      contexts: [...new Set(contexts)] as (string | undefined)[],
    };
  });
}

function kindOf(place: readonly PropertyKey[]): NamedFile["holds"] {
  const [parent, field] = place.slice(-2);
  if (parent === "kubeconfig" && field === "path") return "kubeconfig";
  return field === "caFile" || field === "clientCertFile" ? "certificates" : "credentials";
}

function patternsOf(schema: Schema, at: Pattern): readonly Pattern[] {
  if (FILE_FIELDS.has(schema)) return [at];
  const { def } = schema._zod as unknown as { readonly def: Readonly<Record<string, unknown>> };
  if (def.type === "object") {
    const fields = Object.entries(def.shape as Readonly<Record<string, Schema>>);
    return fields.flatMap(([name, field]) => patternsOf(field, [...at, name]));
  }
  const item = def.element ?? def.valueType;
  if (item !== undefined) return patternsOf(item as Schema, [...at, EACH]);
  const same = [def.innerType, def.in, ...(Array.isArray(def.options) ? def.options : [])];
  return same.filter((inner) => inner !== undefined).flatMap((inner) => patternsOf(inner as Schema, at));
}

/** The paths of the values that a pattern matches. */
function placesOf(value: unknown, pattern: Pattern): readonly (readonly PropertyKey[])[] {
  const [first, ...rest] = pattern;
  if (first === undefined) return typeof value === "string" ? [[]] : [];
  const keys = first === EACH ? keysOf(value) : [first];
  return keys.flatMap((key) => placesOf(valueAt(value, [key]), rest).map((place) => [key, ...place]));
}

function keysOf(value: unknown): readonly PropertyKey[] {
  if (Array.isArray(value)) return [...value.keys()];
  return typeof value === "object" && value !== null ? Object.keys(value) : [];
}
