import type { AttributeValue } from "@aws-sdk/client-dynamodb";

/** The values of our items: nested ones are JSON text. */
export type Value = string | number | boolean | ReadonlySet<number>;

/** An undefined attribute does not exist. */
export type Values = { readonly [name: string]: Value | undefined };

export function toAttribute(value: Value): AttributeValue {
  if (typeof value === "string") return { S: value };
  if (typeof value === "number") return { N: String(value) };
  if (typeof value === "boolean") return { BOOL: value };
  return { NS: [...value].map(String) };
}

export function toAttributes(values: Values): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) attributes[name] = toAttribute(value);
  return attributes;
}

/** Not validated beyond the value types that rows need; types that we never write are left out. */
export function fromAttributes<T>(attributes: Readonly<Record<string, AttributeValue>>): T {
  const known = Object.entries(attributes).flatMap(([name, attribute]): [string, Value][] => {
    const value = fromAttribute(attribute);
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(known) as T;
}

function fromAttribute({ S, N, BOOL, NS }: AttributeValue): Value | undefined {
  return S ?? (N === undefined ? undefined : Number(N)) ?? BOOL ?? (NS && new Set(NS.map(Number)));
}
