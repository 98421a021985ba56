import { isProbeDue } from "../../circuits.ts";
import { type EpochMs, SECOND_MS } from "../../clock.ts";
import type { ErrorCode } from "../../errors.ts";
import { CIRCUIT_EVENT_KEPT_MS } from "../../ports/circuit-store.ts";
import type { DomainEvent } from "../../ports/rows.ts";
import type { Circuit, CircuitStore, DispatchStore } from "../../ports/store.ts";
import { parsed, soundEvent } from "../stored.ts";
import { all, dispatchedUntilIsStill, fenceIsStill, itemExists, itemIsAbsent, probeAtIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { CIRCUIT_EVENTS, CIRCUITS, dispatchedAt, type ItemKey, sweepOf } from "./table.ts";

interface CircuitItem {
  readonly sk: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly since: EpochMs;
  readonly attempts: number;
  readonly fence: number;
  readonly probeAt: EpochMs;
}

function circuitAt(id: string): ItemKey {
  return { pk: CIRCUITS, sk: id };
}

function circuitOf({ sk: id, code, message, since, attempts, fence, probeAt }: CircuitItem): Circuit {
  return { id, code, message, since, attempts, fence, probeAt };
}

interface EventItem {
  readonly sk: string;
  readonly event: string;
}

/** In the order of their times. */
function eventAt({ id, at }: Pick<DomainEvent, "id" | "at">): ItemKey {
  return { pk: CIRCUIT_EVENTS, sk: `${String(at).padStart(16, "0")} ${id}` };
}

/** DynamoDB deletes it some time after its end. */
function eventItem(event: DomainEvent) {
  const expiresAt = Math.ceil((event.at + CIRCUIT_EVENT_KEPT_MS) / SECOND_MS);
  return { ...eventAt(event), event: JSON.stringify(event), expiresAt };
}

/** Vaults and clusters that are out of reach: one partition, usually empty (lease-table 16). */
export function circuitStore(connection: Connection): CircuitStore {
  return {
    circuits: async () => {
      connection.count("circuits");
      return (await connection.query<CircuitItem>({ partition: ["pk", CIRCUITS] })).map(circuitOf);
    },
    openCircuit: ({ id, ...circuit }, event) => {
      connection.count("openCircuit");
      const put = { ...circuitAt(id), ...circuit };
      if (event === undefined) return connection.put(put, itemIsAbsent);
      return connection.transact([{ put, when: itemIsAbsent }, { put: eventItem(event) }]);
    },
    claimProbe: async ({ id, fence, probeAt }, { now, until }) => {
      connection.count("claimProbe");
      if (!isProbeDue({ probeAt }, now)) return undefined;
      const change = { set: { fence: fence + 1, probeAt: until } };
      const itIsAsItWasRead = all(itemExists, fenceIsStill(fence), probeAtIsStill(probeAt));
      const claimed = await connection.update<CircuitItem>(circuitAt(id), change, itIsAsItWasRead);
      return claimed.holds ? circuitOf(claimed.item) : undefined;
    },
    keepOpen: async ({ id, fence }, { code, message, attempts, probeAt }) => {
      connection.count("keepOpen");
      const set = { code, message, attempts, probeAt };
      return (await connection.update(circuitAt(id), { set }, all(itemExists, fenceIsStill(fence)))).holds;
    },
    closeCircuit: async ({ id, fence }, event) => {
      connection.count("closeCircuit");
      const when = all(itemExists, fenceIsStill(fence));
      if (event === undefined) return (await connection.remove(circuitAt(id), when)).holds;
      return connection.transact([{ remove: circuitAt(id), when }, { put: eventItem(event) }]);
    },
    circuitEvents: async (limit) => {
      connection.count("circuitEvents");
      const { items } = await connection.page<EventItem>({ partition: ["pk", CIRCUIT_EVENTS], limit }, undefined);
      return items.flatMap(({ sk, event }) => {
        const found = soundEvent(parsed(event));
        if (found === undefined) connection.damaged(`circuit event ${sk}`);
        return found ?? [];
      });
    },
    clearCircuitEvents: async (events) => {
      connection.count("clearCircuitEvents");
      for (const event of events) await connection.remove(eventAt(event));
    },
  };
}

/** Until when ticks have dispatched (lease-table 13), and when Vaults are swept. */
export function dispatchStore(connection: Connection): DispatchStore {
  const read = async (at: ItemKey): Promise<EpochMs | undefined> =>
    (await connection.get<{ readonly handedUntil: EpochMs }>(at, "strong"))?.handedUntil;
  const move = (at: ItemKey, from: EpochMs | undefined, to: EpochMs): Promise<boolean> => {
    const item = { ...at, handedUntil: to };
    return connection.put(item, from === undefined ? itemIsAbsent : all(itemExists, dispatchedUntilIsStill(from)));
  };
  return {
    dispatchedUntil: (lane) => {
      connection.count("dispatchedUntil");
      return read(dispatchedAt(lane));
    },
    moveDispatched: (lane, from, to) => {
      connection.count("moveDispatched");
      return move(dispatchedAt(lane), from, to);
    },
    sweepAt: (vault) => {
      connection.count("sweepAt");
      return read(sweepOf(vault));
    },
    moveSweep: (vault, from, to) => {
      connection.count("moveSweep");
      return move(sweepOf(vault), from, to);
    },
  };
}
