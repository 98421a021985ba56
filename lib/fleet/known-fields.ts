import { nearest } from "../util/nearest.ts";
import { fleetJsonSchema } from "./schema.ts";

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  /** The variants of an identity. */
  readonly oneOf?: readonly Schema[];
}

let schema: Schema | undefined;

/** The schema itself, or each of its variants. */
function variantsOf(one: Schema): readonly Schema[] {
  return [one, ...(one.oneOf ?? [])];
}

function fieldsAt(path: readonly PropertyKey[]): readonly string[] {
  schema ??= fleetJsonSchema() as Schema;
  let here: readonly Schema[] = variantsOf(schema);
  for (const part of path) {
    const next = here.map(({ items, properties = {} }) =>
      typeof part === "number" ? items : Object.hasOwn(properties, part) ? properties[String(part)] : undefined,
    );
    here = next.flatMap((found) => (found === undefined ? [] : variantsOf(found)));
  }
  return [...new Set(here.flatMap(({ properties = {} }) => Object.keys(properties)))];
}

/** Longer fields are not typing errors, so they are not compared. */
const MAX_LENGTH = 40;

/** ` (did you mean connect?)`, or nothing when no known field there is similar. */
export function suggestion(path: readonly PropertyKey[]): string {
  const field = String(path.at(-1));
  const fields = fieldsAt(path.slice(0, -1));
  if (field === "<<") return " (merge keys are not read: write its fields out)";
  if (field.length > MAX_LENGTH) return "";
  const near = nearest(field, fields, ({ length }) => Math.max(1, Math.floor(length / 3)));
  return near === undefined ? "" : ` (did you mean ${near}?)`;
}
