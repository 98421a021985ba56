import { SyncError } from "../errors.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";

/** Told of each row that can't be read, by its key. */
export type OnDamage = (key: string) => void;

/** So many are remembered as told: a table that is damaged as a whole must not fill the memory, or the log. */
const MAX_TOLD = 1_000;

/** A damaged row is told once by each process, and left aside: the others go on. */
export function damageReport({ log, metrics }: { readonly log: Log; readonly metrics: Metrics }): OnDamage {
  const told = new Set<string>();
  return (key) => {
    if (told.has(key) || told.size >= MAX_TOLD) return;
    told.add(key);
    metrics.count("keyferry_rows_damaged_total", {});
    const { code, message } = damagedRow(key);
    log.error("row-damaged", { key, code, message });
  };
}

export function damagedRow(key: string): SyncError {
  const remedy = "change an annotation of what it declares, and it is written anew";
  return new SyncError("STORE_INVALID", `the row ${key} of the lease table can't be read: ${remedy}`);
}
