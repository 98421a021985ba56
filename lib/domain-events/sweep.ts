import { type Clock, type EpochMs, HOUR_MS, MINUTE_MS } from "../clock.ts";
import { CIRCUIT_EVENT_KEPT_MS } from "../ports/circuit-store.ts";
import type { DomainEvent } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { Outbox, Unsent } from "./outbox.ts";

/** Older events are dropped: nobody acts on them any more. */
const KEPT_MS = 24 * HOUR_MS;
/** Younger ones are left to the process that recorded them, if there are several. */
const SWEPT_AFTER_MS = MINUTE_MS;
const ROWS_OF_PAGE = 100;
const MOST_PAGES = 50;

export interface SweepDeps {
  readonly leases: Pick<LeaseStore, "unsent" | "clearUnsent" | "circuitEvents" | "clearCircuitEvents">;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** No other process sends events of this table. */
  readonly isAlone?: boolean;
}

/** Whether an event is dropped instead of sent. */
export function isTooOld(at: EpochMs, now: EpochMs): boolean {
  return now - at > KEPT_MS;
}

/** Sends what a crash, or a sink that was out of reach, left in rows; ends when the sink refuses some. */
export async function sweepRows(deps: SweepDeps, out: Outbox, signal: AbortSignal): Promise<void> {
  /** A row may keep some when it can't be written: the next sweep sends these again. */
  const seen = new Set<string>();
  for (let page = 0; page < MOST_PAGES && !signal.aborted; page++) {
    const now = deps.clock();
    const rows = await deps.leases.unsent(deps.isAlone ? now + 1 : now - SWEPT_AFTER_MS, ROWS_OF_PAGE);
    const found = rows.flatMap(({ key, events }) => events.map((event) => ({ key, event })));
    const old = found.filter(({ event }) => isTooOld(event.at, now));
    await drop(deps, old);
    const isDue = ({ id, at }: DomainEvent): boolean => !seen.has(id) && !out.isWaiting(id) && !isTooOld(at, now);
    const due = found.filter(({ event }) => isDue(event));
    for (const { event } of due) seen.add(event.id);
    const failed = await out.deliver(due, signal);
    if (rows.length < ROWS_OF_PAGE || failed > 0 || due.length + old.length === 0) return;
  }
}

async function drop(deps: SweepDeps, old: readonly Required<Unsent>[]): Promise<void> {
  if (old.length === 0) return;
  tellOfDropped(deps, old.length, "nothing accepted them for a day");
  for (const { key, event } of old) await deps.leases.clearUnsent(key, [event.id]);
}

function tellOfDropped({ log, metrics }: SweepDeps, events: number, because: string): void {
  log.warn("domain-events-dropped", { events, because });
  metrics.count("keyferry_domain_events_dropped_total", {}, events);
}

/** Sends what is left of the events of clusters' circuits. */
export async function sweepCircuits(deps: SweepDeps, out: Outbox, signal: AbortSignal): Promise<void> {
  /** Some may be left when they can't be cleared: the next sweep sends these again. */
  const seen = new Set<string>();
  for (let page = 0; page < MOST_PAGES && !signal.aborted; page++) {
    const now = deps.clock();
    const found = await deps.leases.circuitEvents(ROWS_OF_PAGE);
    const old = found.filter(({ at }) => now - at > CIRCUIT_EVENT_KEPT_MS);
    if (old.length > 0) {
      tellOfDropped(deps, old.length, "nothing accepted them for 6 hours");
      await deps.leases.clearCircuitEvents(old);
    }
    const isDue = ({ id, at }: DomainEvent): boolean =>
      !seen.has(id) &&
      !out.isWaiting(id) &&
      now - at <= CIRCUIT_EVENT_KEPT_MS &&
      (deps.isAlone === true || at < now - SWEPT_AFTER_MS);
    const due = found.filter(isDue).map((event): Unsent => ({ event }));
    for (const { event } of due) seen.add(event.id);
    const failed = await out.deliver(due, signal);
    if (found.length < ROWS_OF_PAGE || failed > 0 || due.length + old.length === 0) return;
  }
}
