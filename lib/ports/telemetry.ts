import type { EpochMs } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { Json } from "../util/json.ts";

/** One JSON line per event; event names are in the past tense. Fields never contain secret values. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** Fields of a log line. Undefined ones are left out. */
export type LogFields = Readonly<Record<string, Json | undefined>>;

/** The end of one run of a sync, or of a reference's status. */
export interface FinishedRun {
  readonly key: SyncKey;
  readonly at: EpochMs;
  /** Missing: it is in step. */
  readonly code?: ErrorCode;
  /** The declared refresh interval, in ms; missing when unknown, or when only events cause a run. */
  readonly refreshAfterMs?: number;
  /** Only of pushes. */
  readonly push?: FinishedPush;
}

/** What is counted of a push's run. */
export interface FinishedPush {
  readonly seconds?: number;
  /** There was nothing to do. */
  readonly isUnchanged?: boolean;
  /** How many Secrets the object pushes; missing: its annotations do not say. */
  readonly secrets?: number;
  /** Secrets, and keys of them, that do not exist. */
  readonly missing?: readonly { readonly secret: string; readonly key?: string }[];
}

/** Counters and histograms by name; metrics.ts lists the names. */
export interface Metrics {
  /** Called once per run, for series of single syncs and for VSO's own metrics. */
  ran?(run: FinishedRun): void;
  count(name: string, labels: Readonly<Record<string, string>>, by?: number): void;
  observe(name: string, labels: Readonly<Record<string, string>>, value: number): void;
}
