import { clusterOfCircuit } from "../circuits.ts";
import { type Clock, type EpochMs, HOUR_MS, MINUTE_MS } from "../clock.ts";
import type { Circuit, LeaseStore } from "../ports/store.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { eventsOfOpened } from "./events-of.ts";
import type { Outbox, Unsent } from "./outbox.ts";

/** Older events are dropped: nobody acts on them any more. */
const KEPT_MS = 24 * HOUR_MS;
/** Younger ones are left to the process that recorded them, if there are several. */
const SWEPT_AFTER_MS = MINUTE_MS;
/** Circuits that opened since the sweep before: no process knows what the others sent. */
const CIRCUITS_SINCE_MS = 12 * MINUTE_MS;
const ROWS_OF_PAGE = 100;
const MOST_PAGES = 50;

export interface SweepDeps {
  readonly leases: Pick<LeaseStore, "unsent" | "clearUnsent" | "circuits">;
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
  for (let page = 0; page < MOST_PAGES && !signal.aborted; page++) {
    const now = deps.clock();
    const rows = await deps.leases.unsent(deps.isAlone ? now + 1 : now - SWEPT_AFTER_MS, ROWS_OF_PAGE);
    const found = rows.flatMap(({ key, events }) => events.map((event) => ({ key, event })));
    const old = found.filter(({ event }) => isTooOld(event.at, now));
    await drop(deps, old);
    const due = found.filter(({ event }) => !out.isWaiting(event.id) && !isTooOld(event.at, now));
    const failed = await out.deliver(due, signal);
    if (rows.length < ROWS_OF_PAGE || failed > 0 || due.length + old.length === 0) return;
  }
}

async function drop({ leases, log, metrics }: SweepDeps, old: readonly Required<Unsent>[]): Promise<void> {
  if (old.length === 0) return;
  log.warn("domain-events-dropped", { events: old.length, because: "nothing accepted them for a day" });
  metrics.count("keyferry_domain_events_dropped_total", {}, old.length);
  for (const { key, event } of old) await leases.clearUnsent(key, [event.id]);
}

/** An outage that goes on, and whose event may be lost: it is sent again, with the same id. */
export async function sweepCircuits(
  { leases, clock, isAlone }: SweepDeps,
  out: Outbox,
  signal: AbortSignal,
): Promise<void> {
  const now = clock();
  // A process that is alone knows what it sent, so that a receiver may be away for longer.
  const sinceMs = isAlone ? KEPT_MS : CIRCUITS_SINCE_MS;
  const isDue = ({ id, since }: Circuit): boolean =>
    clusterOfCircuit(id) !== undefined && since < now - SWEPT_AFTER_MS && since >= now - sinceMs;
  const events = (await leases.circuits())
    .filter(isDue)
    .flatMap(eventsOfOpened)
    .filter(({ id }) => !out.wasSent(id) && !out.isWaiting(id))
    .map((event): Unsent => ({ event }));
  await out.deliver(events, signal);
}
