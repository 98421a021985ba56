import type { SyncKey } from "../keys.ts";
import type { Row } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";

/** How many rows are read at once. */
const ROWS_AT_ONCE = 100;

/** Every row that may have issues, found by the targets that issues name: a read of indexes alone. */
export async function keysWithIssues(leases: Pick<LeaseStore, "targets" | "byReference">): Promise<readonly SyncKey[]> {
  const keys = new Set<SyncKey>();
  for (const digest of await leases.targets()) {
    for (let after: string | undefined = ""; after !== undefined; ) {
      const page = await leases.byReference(`target:${digest}`, after === "" ? {} : { after });
      for (const key of page.items) keys.add(key);
      after = page.next;
    }
  }
  return [...keys];
}

/** The rows themselves, some at a time. */
export async function* rowsWithIssues(
  leases: Pick<LeaseStore, "targets" | "byReference" | "read">,
): AsyncGenerator<Row> {
  const keys = await keysWithIssues(leases);
  for (let from = 0; from < keys.length; from += ROWS_AT_ONCE) {
    yield* (await leases.read(keys.slice(from, from + ROWS_AT_ONCE), "strong")).values();
  }
}
