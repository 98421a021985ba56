import type { AttributeValue } from "@aws-sdk/client-dynamodb";

export type Item = Readonly<Record<string, AttributeValue>>;

export interface IndexDefinition {
  readonly IndexName?: string | undefined;
  readonly KeySchema?: readonly { readonly AttributeName?: string | undefined }[] | undefined;
  readonly Projection?:
    | { readonly ProjectionType?: string | undefined; readonly NonKeyAttributes?: string[] | undefined }
    | undefined;
}

const TABLE_KEYS = ["pk", "sk"];

/**
 * What a write costs in each index, as the developer guide says ("Provisioned throughput considerations for global
 * secondary indexes"): an entry that comes, goes or changes costs its size; one that moves costs both; else nothing.
 */
export function indexUnits(
  indexes: readonly IndexDefinition[],
  before: Item | undefined,
  after: Item | undefined,
): Record<string, { readonly CapacityUnits: number }> {
  const units: Record<string, { readonly CapacityUnits: number }> = {};
  for (const index of indexes) {
    const spent = unitsOf(entryOf(index, before), entryOf(index, after));
    if (spent > 0 && index.IndexName !== undefined) units[index.IndexName] = { CapacityUnits: spent };
  }
  return units;
}

interface Entry {
  readonly key: string;
  readonly text: string;
  readonly units: number;
}

function unitsOf(before: Entry | undefined, after: Entry | undefined): number {
  if (before === undefined || after === undefined) return (before ?? after)?.units ?? 0;
  if (before.key !== after.key) return before.units + after.units;
  return before.text === after.text ? 0 : Math.max(before.units, after.units);
}

function entryOf(index: IndexDefinition, item: Item | undefined): Entry | undefined {
  const keys = (index.KeySchema ?? []).flatMap(({ AttributeName }) => AttributeName ?? []);
  if (item === undefined || keys.some((name) => item[name] === undefined)) return undefined;
  const names = new Set([...TABLE_KEYS, ...keys, ...(index.Projection?.NonKeyAttributes ?? [])]);
  const entry: Record<string, AttributeValue> = {};
  for (const name of [...names].sort()) {
    const value = item[name];
    if (value !== undefined) entry[name] = value;
  }
  return {
    key: JSON.stringify(keys.map((name) => item[name])),
    text: JSON.stringify(entry),
    units: Math.max(1, Math.ceil(itemBytes(entry) / 1024)),
  };
}

/** Names and values in UTF-8; a number takes about half a byte for each digit. */
export function itemBytes(item: Item): number {
  return Object.entries(item).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + valueBytes(value), 0);
}

function valueBytes({ S, N, NS }: AttributeValue): number {
  if (S !== undefined) return Buffer.byteLength(S);
  if (N !== undefined) return numberBytes(N);
  return NS === undefined ? 1 : NS.reduce((sum, number) => sum + numberBytes(number), 0);
}

function numberBytes(text: string): number {
  return Math.ceil(text.replace(/\D/g, "").length / 2) + 1;
}
