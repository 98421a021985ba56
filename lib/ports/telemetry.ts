import type { EpochMs } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { Json } from "../util/json.ts";

/** One JSON line per event; event names are past tense. Fields never hold values. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export type LogFields = Readonly<Record<string, Json | undefined>>;

/** How one run of a sync, or of the status of something that syncs refer to, ended. */
export interface FinishedRun {
  readonly key: SyncKey;
  readonly at: EpochMs;
  /** Missing: it is in step. */
  readonly code?: ErrorCode;
  /** How often it is declared to be refreshed, in ms; missing when that is not known, or only events bring it back. */
  readonly refreshAfterMs?: number;
}

/** Counters and histograms by name; the names stand in metrics.ts. */
export interface Metrics {
  /** Each run once, for those who show single syncs and count under the names of VSO's own metrics. */
  ran?(run: FinishedRun): void;
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void;
  observe(name: string, labels: Readonly<Record<string, string>>, value: number): void;
}
