import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import { OWNER_UID_LABEL } from "../owner-labels.ts";
import type { SeenResource } from "../ports/resources.ts";
import type { Row } from "../ports/rows.ts";
import type { LeaseStore, RowSummary } from "../ports/store.ts";

/** How many rows are read at once. */
const ROWS_AT_ONCE = 100;

/**
 * The rows of Secrets without a matching owner reference: by the name recorded at the write, or by the owner's label.
 */
export async function recognised(
  leases: Pick<LeaseStore, "read">,
  known: readonly RowSummary[],
  secrets: readonly SeenResource[],
): Promise<ReadonlyMap<SeenResource, readonly Row[]>> {
  const found = new Map<SeenResource, readonly Row[]>();
  for (const [namespace, those] of Map.groupBy(secrets, (secret) => secret.namespace)) {
    const rows = known.filter(({ key }) => !isCleanupKey(key) && partsOf(key).namespace === namespace);
    const unknown = await byLabel(leases, rows, those, found);
    if (unknown.length > 0) await byRecord(leases, rows, unknown, found);
  }
  return found;
}

/**
 * Returns those that remain unknown: without the label, or with a row that has no Secret of that name, such as a copy.
 */
async function byLabel(
  leases: Pick<LeaseStore, "read">,
  rows: readonly RowSummary[],
  secrets: readonly SeenResource[],
  found: Map<SeenResource, readonly Row[]>,
): Promise<readonly SeenResource[]> {
  const keys = new Map(rows.map(({ uid, key }) => [uid, key]));
  const labelled = secrets.flatMap((secret) => {
    const key = keys.get(secret.labels[OWNER_UID_LABEL] ?? "");
    return key === undefined ? [] : [{ secret, key }];
  });
  const read = await inPages(leases, [...new Set(labelled.map(({ key }) => key))]);
  const byKey = new Map(read.map((row) => [row.key, row]));
  for (const { secret, key } of labelled) {
    const row = byKey.get(key);
    if (row && owns(row, secret)) found.set(secret, [row]);
  }
  return secrets.filter((secret) => !found.has(secret));
}

async function byRecord(
  leases: Pick<LeaseStore, "read">,
  rows: readonly RowSummary[],
  secrets: readonly SeenResource[],
  found: Map<SeenResource, readonly Row[]>,
): Promise<void> {
  const read = await inPages(
    leases,
    rows.map(({ key }) => key),
  );
  const byName = Map.groupBy(
    read.flatMap((row) => row.state.owned.map(({ name }) => ({ name, row }))),
    ({ name }) => name,
  );
  for (const secret of secrets)
    found.set(
      secret,
      (byName.get(secret.name) ?? []).map(({ row }) => row),
    );
}

function owns({ state }: Row, { name }: SeenResource): boolean {
  return state.owned.some((entry) => entry.name === name);
}

async function inPages(leases: Pick<LeaseStore, "read">, keys: readonly SyncKey[]): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (let from = 0; from < keys.length; from += ROWS_AT_ONCE) {
    const page = await leases.read(keys.slice(from, from + ROWS_AT_ONCE), "strong");
    for (const row of page.values()) rows.push(row);
  }
  return rows;
}
