import { Gauge, type Registry } from "prom-client";
import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import type { ErrorCode } from "../errors.ts";
import { isCleanupKey, partsOf, type SyncKey } from "../keys.ts";
import type { LeaseStore, RowSummary } from "../ports/store.ts";
import type { FinishedRun } from "../ports/telemetry.ts";
import { isReferenceStatus } from "../resource-kinds.ts";

/** Series of single syncs, in memory: an unchanged refresh writes no row from which they could be read. */
export interface SyncSeries {
  ran(run: FinishedRun): void;
  /** Takes the lease table's state at the start. */
  remember(rows: readonly RowSummary[]): void;
  forget(key: SyncKey): void;
}

interface Entry {
  readonly key: SyncKey;
  /** When the sync was last in step. */
  readonly inStepAt?: EpochMs;
  readonly refreshAfterMs?: number;
  /** Consecutive failed runs with the same code. */
  readonly failures: number;
  readonly code?: ErrorCode;
}

const OBJECT = ["cluster", "kind", "namespace", "name"];

/** The names and labels of the series; units are in the names. */
const SERIES = {
  keyferry_sync_age_seconds: { help: "Seconds since this sync was last in step.", labels: OBJECT },
  keyferry_sync_lag_seconds: { help: "How much that exceeds its refreshAfter.", labels: OBJECT },
  keyferry_sync_failures: { help: "Failed runs in a row, by their code.", labels: [...OBJECT, "code"] },
  controller_resource_status: {
    help: "1 if the resource is healthy, 0 if not.",
    labels: ["controller", "name", "namespace", "cluster"],
  },
  keyferry_sync_series_left_out: { help: "Resources without series of their own.", labels: [] },
} as const;
type SeriesName = keyof typeof SERIES;

interface Reading {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}
type Readings = Readonly<Record<SeriesName, readonly Reading[]>>;

/** The values of one scrape are computed once. */
const ONE_SCRAPE_MS = SECOND_MS;

/** Adds the series to a registry, for at most `limit` resources, worst first. */
export function syncSeries(registry: Registry, { limit, clock }: { limit: number; clock: Clock }): SyncSeries {
  const entries = new Map<SyncKey, Entry>();
  let last: { readonly at: EpochMs; readonly readings: Readings } | undefined;
  const read = (): Readings => {
    const now = clock();
    if (last === undefined || now < last.at || now - last.at >= ONE_SCRAPE_MS) {
      last = { at: now, readings: readingsOf([...entries.values()], limit, now) };
    }
    return last.readings;
  };
  if (limit > 0) for (const name of Object.keys(SERIES) as SeriesName[]) register(registry, name, read);
  return {
    ran({ key, at, code, refreshAfterMs }) {
      const before = entries.get(key);
      const period = refreshAfterMs === undefined ? {} : { refreshAfterMs };
      if (code === undefined) entries.set(key, { key, inStepAt: at, failures: 0, ...period });
      else {
        const failures = before?.code === code ? before.failures + 1 : 1;
        entries.set(key, { ...(before ?? { key }), ...period, failures, code });
      }
    },
    remember(rows) {
      for (const row of rows)
        if (!entries.has(row.key) && !isCleanupKey(row.key)) entries.set(row.key, entryOf(row, clock()));
    },
    forget: (key) => void entries.delete(key),
  };
}

/** An unchanged refresh is not stored, so for a sync on the wheel the start of this process counts as last in step. */
function entryOf({ key, error, attempts, syncedAt, wheel }: RowSummary, now: EpochMs): Entry {
  const inStepAt = wheel === undefined ? syncedAt : now;
  return {
    key,
    ...(inStepAt === undefined ? {} : { inStepAt }),
    // A period is at least 0.8 of the declared refreshAfter.
    ...(wheel === undefined ? {} : { refreshAfterMs: (wheel.period * SECOND_MS) / 0.8 }),
    failures: error === undefined ? 0 : attempts,
    ...(error === undefined ? {} : { code: error.code }),
  };
}

/** Wraps a store so that the series of a deleted declaration are removed. */
export function forgetting<S extends LeaseStore>(store: S, series: Pick<SyncSeries, "forget">): S {
  return {
    ...store,
    tombstone(key, uid, now) {
      series.forget(key);
      return store.tombstone(key, uid, now);
    },
    release(key, hash) {
      series.forget(key);
      return store.release(key, hash);
    },
  };
}

function register(registry: Registry, name: SeriesName, read: () => Readings): void {
  const { help, labels } = SERIES[name];
  const gauge: Gauge = new Gauge({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      gauge.reset();
      for (const { labels: of, value } of read()[name]) gauge.set({ ...of }, value);
    },
  });
}

function lagOf({ inStepAt, refreshAfterMs }: Entry, now: EpochMs): number {
  if (inStepAt === undefined || refreshAfterMs === undefined) return 0;
  return Math.max(0, now - inStepAt - refreshAfterMs);
}

/** Failing syncs first, then the most overdue. */
function worst(all: readonly Entry[], limit: number, now: EpochMs): readonly Entry[] {
  if (all.length <= limit) return all;
  const rank = (entry: Entry): number => (entry.code === undefined ? lagOf(entry, now) : Number.MAX_SAFE_INTEGER);
  return all.toSorted((a, b) => rank(b) - rank(a) || (a.key < b.key ? -1 : 1)).slice(0, limit);
}

function readingsOf(all: readonly Entry[], limit: number, now: EpochMs): Readings {
  const shown = worst(all, limit, now);
  const syncs = shown.filter(({ key }) => !isReferenceStatus(key));
  const known = syncs.filter(({ inStepAt }) => inStepAt !== undefined);
  const periodic = known.filter(({ refreshAfterMs }) => refreshAfterMs !== undefined);
  return {
    keyferry_sync_age_seconds: known.map((entry) => ({
      labels: { ...partsOf(entry.key) },
      value: Math.max(0, now - (entry.inStepAt ?? now)) / SECOND_MS,
    })),
    keyferry_sync_lag_seconds: periodic.map((entry) => ({
      labels: { ...partsOf(entry.key) },
      value: lagOf(entry, now) / SECOND_MS,
    })),
    keyferry_sync_failures: syncs.flatMap(({ key, failures, code }) =>
      code === undefined ? [] : [{ labels: { ...partsOf(key), code }, value: failures }],
    ),
    controller_resource_status: shown.map(({ key, code }) => {
      const { kind, namespace, name, cluster } = partsOf(key);
      return {
        labels: { controller: kind.toLowerCase(), name, namespace, cluster },
        value: code === undefined ? 1 : 0,
      };
    }),
    keyferry_sync_series_left_out: [{ labels: {}, value: all.length - shown.length }],
  };
}
