import { SyncError } from "../errors.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";

/** Called with the key of each unreadable row. */
export type OnDamage = (key: string) => void;

/** The maximum number of remembered keys, so that a fully damaged table does not fill the memory or the log. */
const MAX_TOLD = 1_000;

/** Reports each damaged row once per process; the others continue. */
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
  const remedy = "change an annotation of its resource, and keyferry writes it again";
  return new SyncError("STORE_INVALID", `the row ${key} of the lease table can't be read: ${remedy}`);
}
