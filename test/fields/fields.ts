import { customResourceDefinitions } from "../../lib/declarations/crd.ts";

/** A JSON schema, as far as it has fields. */
interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
}

interface Definition {
  readonly spec: {
    readonly names: { readonly kind: string };
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** Conditions are one thing, whatever stands in them. */
const WHOLE = new Set(["conditions"]);

function leaves(name: string, schema: Schema, at: string): readonly string[] {
  const { properties, items, additionalProperties } = schema;
  if (WHOLE.has(name)) return [at];
  if (items !== undefined) return items.properties ? leaves(name, items, `${at}[]`) : [at];
  if (properties !== undefined) {
    return Object.entries(properties).flatMap(([field, inner]) => leaves(field, inner, `${at}.${field}`));
  }
  const values = typeof additionalProperties === "object" ? additionalProperties : undefined;
  return values?.properties ? leaves(name, values, `${at}.*`) : [at];
}

/** Every field of every kind that keyferry has a definition of, as `Kind.spec.field[].field`. */
export function fieldsByKind(): ReadonlyMap<string, readonly string[]> {
  return new Map(
    [...customResourceDefinitions().values()].map((definition) => {
      const { spec } = definition as unknown as Definition;
      const { kind } = spec.names;
      const { properties = {} } = spec.versions[0]?.schema.openAPIV3Schema ?? {};
      const parts = ["spec", "status"].flatMap((part) => leaves(part, properties[part] ?? {}, `${kind}.${part}`));
      return [kind, parts] as const;
    }),
  );
}

/** `{a,b}.c` as `a.c` and `b.c`. */
export function expanded(pattern: string): readonly string[] {
  const match = /\{([^{}]*)\}/.exec(pattern);
  if (match === null) return [pattern];
  const [whole, choices = ""] = match;
  return choices.split(",").flatMap((choice) => expanded(pattern.replace(whole, choice)));
}
