import { type Clock, SECOND_MS, type WithDeadline } from "../clock.ts";
import { described } from "../described.ts";
import type { SyncKey } from "../keys.ts";
import type { EventSink } from "../ports/domain-events.ts";
import type { DomainEvent } from "../ports/rows.ts";
import type { LeaseStore } from "../ports/store.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { parallel } from "../util/parallel.ts";
import { completed } from "./events-of.ts";

/** Events on their way. What finds no room is sent by the sweep, from the table. */
const MOST_WAITING = 5_000;
/** Events that are given to the sink at once. */
const MOST_AT_ONCE = 100;
/** Ids of sent events, so that a settle does not store them again. */
const MOST_SENT = 5_000;
/** How long the sink may take for one batch, with its own repetitions. */
const SEND_MS = 30 * SECOND_MS;

/** An event, and the row that recorded it; a circuit's event is stored beside it. */
export interface Unsent {
  readonly key?: SyncKey;
  readonly event: DomainEvent;
}

/** Sends events beside the work that they tell of, and removes them from their rows afterwards. */
export interface Outbox {
  /** Takes events to send; never waits. */
  offer(events: readonly Unsent[]): void;
  /** Sends these now; resolves with the number of those that were not accepted. Throws nothing. */
  deliver(events: readonly Unsent[], signal?: AbortSignal): Promise<number>;
  isWaiting(id: string): boolean;
  /** Sent by this process, as far as it remembers. */
  wasSent(id: string): boolean;
  /** Resolves when nothing is on its way, or when the signal aborts. */
  flushed(signal: AbortSignal): Promise<void>;
}

export interface OutboxDeps {
  readonly sink: EventSink;
  readonly leases: Pick<LeaseStore, "clearUnsent" | "clearCircuitEvents">;
  readonly clock: Clock;
  readonly withDeadline: WithDeadline;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function outbox(deps: OutboxDeps): Outbox {
  const { log } = deps;
  const waiting = new Map<string, Unsent>();
  const sent = new Set<string>();
  let running: Promise<void> | undefined;
  /** Found no room since the queue was empty. */
  let deferred = 0;

  const deliver: Outbox["deliver"] = async (events, signal) => {
    if (events.length === 0) return 0;
    const accepted = await acceptedOf(deps, events, signal);
    for (const id of accepted) remember(sent, id);
    await clear(
      deps,
      events.filter(({ event }) => accepted.has(event.id)),
    );
    return events.length - accepted.size;
  };
  const drain = async (): Promise<void> => {
    while (waiting.size > 0) {
      const batch = [...waiting.values()].slice(0, MOST_AT_ONCE);
      await deliver(batch);
      // What was not accepted is still in its row.
      for (const { event } of batch) waiting.delete(event.id);
    }
    running = undefined;
    if (deferred > 0) log.warn("domain-events-deferred", { events: deferred, because: "too many waited to be sent" });
    deferred = 0;
  };
  return {
    deliver,
    offer(events) {
      for (const one of events) {
        if (waiting.size < MOST_WAITING) waiting.set(one.event.id, one);
        else deferred += 1;
      }
      if (waiting.size > 0) running ??= drain();
    },
    isWaiting: (id) => waiting.has(id),
    wasSent: (id) => sent.has(id),
    async flushed(signal) {
      if (signal.aborted) return;
      const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      await Promise.race([running, aborted]);
    },
  };
}

/** The ids that the sink accepted. A failure is one of the sink, never of a sync. */
async function acceptedOf(
  { sink, withDeadline, log, metrics }: OutboxDeps,
  events: readonly Unsent[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  let accepted: ReadonlySet<string> = new Set();
  try {
    const whole = events.map(({ key, event }) => completed(key, event));
    const found = await withDeadline(SEND_MS, (limit) =>
      sink.send(whole, signal === undefined ? limit : AbortSignal.any([limit, signal])),
    );
    accepted = new Set(events.map(({ event }) => event.id).filter((id) => found.has(id)));
    const refused = events.length - accepted.size;
    if (refused > 0) log.warn("domain-events-not-sent", { events: refused, error: "the receiver refused them" });
  } catch (error) {
    log.warn("domain-events-not-sent", { events: events.length, ...described(error) });
  }
  const failed = events.length - accepted.size;
  if (accepted.size > 0) metrics.count("keyferry_domain_events_sent_total", {}, accepted.size);
  if (failed > 0) metrics.count("keyferry_domain_events_failed_total", {}, failed);
  return accepted;
}

/** Rows and circuits whose write fails keep their events, which are then sent again with the same ids. */
async function clear({ leases, log }: OutboxDeps, events: readonly Unsent[]): Promise<void> {
  const byKey = Map.groupBy(events, ({ key }) => key);
  await parallel([...byKey], async ([key, of]) => {
    try {
      const sent = of.map(({ event }) => event);
      if (key === undefined) await leases.clearCircuitEvents(sent);
      else
        await leases.clearUnsent(
          key,
          sent.map(({ id }) => id),
        );
    } catch (error) {
      log.warn("domain-events-not-cleared", { key, events: of.length, ...described(error) });
    }
  });
}

function remember(sent: Set<string>, id: string): void {
  sent.add(id);
  for (const oldest of sent) {
    if (sent.size <= MOST_SENT) return;
    sent.delete(oldest);
  }
}
