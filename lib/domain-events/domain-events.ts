import { type Clock, MINUTE_MS, SECOND_MS, type WithDeadline } from "../clock.ts";
import { described } from "../described.ts";
import type { SyncKey } from "../keys.ts";
import type { EventSink, EventSweep } from "../ports/domain-events.ts";
import type { DomainEvent } from "../ports/rows.ts";
import type { LeaseStore, Settlement } from "../ports/store.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import { completed, eventOfClosed, eventOfOpened, eventsOfSettle } from "./events-of.ts";
import { type Outbox, outbox } from "./outbox.ts";
import { isTooOld, sweepCircuits, sweepRows } from "./sweep.ts";

/** A row keeps so many events while they can't be sent; older ones are dropped. */
const MOST_OF_ROW = 16;
/** A row that is to go waits so long for its events to be sent. */
const GONE_AFTER_MS = 30 * SECOND_MS;
const GONE_AGAIN_MS = 10 * MINUTE_MS;

export interface DomainEventsOptions {
  /** Where events are sent after their settle has recorded them; missing: nothing is recorded. */
  readonly sink?: EventSink;
  /** Told of each event after its settle, without a record. */
  readonly tell?: (event: DomainEvent) => void;
  readonly leases: LeaseStore;
  readonly clock: Clock;
  readonly withDeadline: WithDeadline;
  readonly log: Log;
  readonly metrics: Metrics;
  /** No other process sends events of this table: the sweep need not leave any to it. */
  readonly isAlone?: boolean;
}

/** Domain events of a process: recorded by settles, sent beside the work, swept every ten minutes. */
export interface DomainEvents extends EventSweep {
  /** A store whose settles and circuits mean events. */
  seeing<S extends LeaseStore>(store: S): S;
  /** Before a process ends or sleeps: resolves when nothing is on its way, or when the signal aborts. */
  flushed(signal: AbortSignal): Promise<void>;
}

export function domainEvents(options: DomainEventsOptions): DomainEvents {
  const { sink } = options;
  const out = sink && outbox({ ...options, sink });
  return {
    seeing: (store) => seeing(options, out, store),
    async sweep(signal) {
      if (out === undefined) return;
      try {
        await sweepRows(options, out, signal);
        await sweepCircuits(options, out, signal);
      } catch (error) {
        options.log.warn("domain-events-not-swept", described(error));
      }
    },
    flushed: async (signal) => out?.flushed(signal),
  };
}

function seeing<S extends LeaseStore>(options: DomainEventsOptions, out: Outbox | undefined, store: S): S {
  const { clock, tell } = options;
  const happened = (key: SyncKey | undefined, events: readonly DomainEvent[]): void => {
    for (const event of events) tell?.(completed(key, event));
    out?.offer(events.map((event) => (key === undefined ? { event } : { key, event })));
  };
  return {
    ...store,
    async settle(lease, settlement) {
      const events = eventsOfSettle(lease, settlement);
      const carried = lease.state.unsent ?? [];
      const isRecorded = out !== undefined && (events.length > 0 || carried.length > 0);
      const unsent = isRecorded ? [...left(options, out, carried), ...events] : [];
      const outcome = await store.settle(
        lease,
        isRecorded ? withUnsent(settlement, unsent, carried.length > 0) : settlement,
      );
      if (outcome === "lost") return outcome;
      const dropped = unsent.length - MOST_OF_ROW;
      if (dropped > 0) options.metrics.count("keyferry_domain_events_dropped_total", {}, dropped);
      happened(lease.key, events);
      return outcome;
    },
    async openCircuit(circuit) {
      const event = eventOfOpened(circuit);
      const isNew = await store.openCircuit(circuit, out && event);
      if (isNew && event !== undefined) happened(undefined, [event]);
      return isNew;
    },
    async closeCircuit(claimed) {
      const event = eventOfClosed(claimed, clock());
      const isClosed = await store.closeCircuit(claimed, out && event);
      if (isClosed && event !== undefined) happened(undefined, [event]);
      return isClosed;
    },
  };
}

/** What earlier settles recorded and nobody has sent yet. */
function left({ clock }: DomainEventsOptions, out: Outbox, carried: readonly DomainEvent[]): readonly DomainEvent[] {
  return carried.filter(({ id, at }) => !out.wasSent(id) && !isTooOld(at, clock()));
}

/** A row that would go stays until its events are sent. */
function withUnsent(settlement: Settlement, events: readonly DomainEvent[], isAgain: boolean): Settlement {
  const { unsent: _former, ...state } = settlement.state;
  if (events.length === 0) return { ...settlement, state };
  const recorded = { ...settlement, state: { ...state, unsent: events.slice(-MOST_OF_ROW) } };
  if (settlement.schedule.kind !== "gone") return recorded;
  const at = settlement.now + (isAgain ? GONE_AGAIN_MS : GONE_AFTER_MS);
  return { ...recorded, schedule: { kind: "due", at }, renew: "off" };
}
