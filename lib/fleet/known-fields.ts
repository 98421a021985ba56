import { nearest } from "../util/nearest.ts";
import { fleetJsonSchema } from "./schema.ts";

type Schema = { readonly properties?: Readonly<Record<string, Schema>>; readonly items?: Schema };

let schema: Schema | undefined;

function fieldsAt(path: readonly PropertyKey[]): readonly string[] {
  schema ??= fleetJsonSchema() as Schema;
  let here: Schema | undefined = schema;
  for (const part of path) {
    if (typeof part === "number") here = here?.items;
    else here = Object.hasOwn(here?.properties ?? {}, part) ? here?.properties?.[String(part)] : undefined;
  }
  return Object.keys(here?.properties ?? {});
}

/** Longer fields are not typing errors, so they are not compared. */
const MAX_LENGTH = 40;

/** ` (did you mean connect?)`, or nothing when no known field there is similar. */
export function suggestion(path: readonly PropertyKey[]): string {
  const field = String(path.at(-1));
  const fields = fieldsAt(path.slice(0, -1));
  if (field.length > MAX_LENGTH) return "";
  const near = nearest(field, fields, ({ length }) => Math.max(1, Math.floor(length / 3)));
  return near === undefined ? "" : ` (did you mean ${near}?)`;
}
