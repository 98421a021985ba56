import type { EpochMs } from "../../clock.ts";
import type { ErrorCode } from "../../errors.ts";
import type { Circuit, CircuitStore, DispatchStore } from "../../ports/store.ts";
import { all, dispatchedUntilIsStill, fenceIsStill, itemExists, itemIsAbsent, probeAtIsStill } from "./conditions.ts";
import type { Connection } from "./connection.ts";
import { CIRCUITS, dispatchedAt, type ItemKey, sweepOf } from "./table.ts";

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

/** Vaults and clusters that are out of reach: one partition, usually empty (lease-table 16). */
export function circuitStore(connection: Connection): CircuitStore {
  return {
    circuits: async () => {
      connection.count("circuits");
      return (await connection.query<CircuitItem>({ partition: ["pk", CIRCUITS] })).map(circuitOf);
    },
    openCircuit: ({ id, ...circuit }) => {
      connection.count("openCircuit");
      return connection.put({ ...circuitAt(id), ...circuit }, itemIsAbsent);
    },
    claimProbe: async ({ id, fence, probeAt }, { now, until }) => {
      connection.count("claimProbe");
      if (probeAt > now) return undefined;
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
    closeCircuit: async ({ id, fence }) => {
      connection.count("closeCircuit");
      return (await connection.remove(circuitAt(id), all(itemExists, fenceIsStill(fence)))).holds;
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
