import { isProbeDue } from "../../circuits.ts";
import type { EpochMs } from "../../clock.ts";
import type { ErrorCode } from "../../errors.ts";
import type { DomainEvent } from "../../ports/rows.ts";
import type { Circuit, CircuitStore, DispatchStore } from "../../ports/store.ts";
import { parsed, soundEvent } from "../stored.ts";
import type { Connection } from "./connection.ts";

interface CircuitRecord {
  readonly id: string;
  readonly code: ErrorCode;
  readonly message: string;
  readonly since: number;
  readonly attempts: number;
  readonly fence: number;
  readonly probe_at: number;
}

interface EventRecord {
  readonly id: string;
  readonly event: string;
}

/** Earlier versions have another column, which stays empty. */
const COLUMNS = "id, code, message, since, attempts, fence, probe_at";

/** Vaults and clusters that are out of reach (lease-table 16). */
export function circuitStore(connection: Connection): CircuitStore {
  const all = connection.all<CircuitRecord>(`SELECT ${COLUMNS} FROM circuit ORDER BY id`);
  const open = connection.write(`
    INSERT INTO circuit (${COLUMNS})
    VALUES (:id, :code, :message, :since, :attempts, :fence, :probeAt) ON CONFLICT (id) DO NOTHING`);
  const claim = connection.writeOne<CircuitRecord>(`
    UPDATE circuit SET fence = fence + 1, probe_at = :until
    WHERE id = :id AND fence = :fence AND probe_at = :probeAt RETURNING ${COLUMNS}`);
  const keep = connection.write(`
    UPDATE circuit SET code = :code, message = :message, attempts = :attempts, probe_at = :probeAt
    WHERE id = :id AND fence = :fence`);
  const close = connection.write("DELETE FROM circuit WHERE id = :id AND fence = :fence");
  const putEvent = connection.write(
    "INSERT INTO circuit_event (id, at, event) VALUES (:id, :at, :event) ON CONFLICT DO NOTHING",
  );
  const events = connection.all<EventRecord>("SELECT id, event FROM circuit_event ORDER BY at, id LIMIT :limit");
  const clear = connection.write("DELETE FROM circuit_event WHERE id = :id");
  const isDone = (changed: number, event: DomainEvent | undefined): boolean => {
    if (changed === 1 && event !== undefined) putEvent({ id: event.id, at: event.at, event: JSON.stringify(event) });
    return changed === 1;
  };
  return {
    circuits: () => connection.read("circuits", () => all({}).map(circuitOf)),
    openCircuit: (circuit, event) => connection.change("openCircuit", () => isDone(open({ ...circuit }), event)),
    claimProbe: ({ id, fence, probeAt }, { now, until }) =>
      connection.change("claimProbe", () => {
        const claimed = isProbeDue({ probeAt }, now) ? claim({ id, fence, probeAt, until }) : undefined;
        return claimed === undefined ? undefined : circuitOf(claimed);
      }),
    keepOpen: ({ id, fence }, { code, message, attempts, probeAt }) =>
      connection.change("keepOpen", () => keep({ id, fence, code, message, attempts, probeAt }) === 1),
    closeCircuit: ({ id, fence }, event) =>
      connection.change("closeCircuit", () => isDone(close({ id, fence }), event)),
    circuitEvents: async (limit) => {
      const found = await connection.read("circuitEvents", () =>
        events({ limit }).map(({ id, event }) => ({ id, event: soundEvent(parsed(event)) })),
      );
      const broken = found.filter(({ event }) => event === undefined);
      for (const { id } of broken) connection.damaged(`circuit event ${id}`);
      // Nobody can send these, and they would take the place of others for ever.
      if (broken.length > 0)
        await connection.change("clearCircuitEvents", () => void broken.map(({ id }) => clear({ id })));
      return found.flatMap(({ event }) => event ?? []);
    },
    clearCircuitEvents: (sent) =>
      connection.change("clearCircuitEvents", () => void sent.map(({ id }) => clear({ id }))),
  };
}

function circuitOf({ probe_at: probeAt, ...record }: CircuitRecord): Circuit {
  return { ...record, probeAt };
}

/** Until when ticks have dispatched (lease-table 13), and when Vaults are swept. */
export function dispatchStore(connection: Connection): DispatchStore {
  const read = connection.one<{ readonly handed_until: number }>("SELECT handed_until FROM cursor WHERE lane = :lane");
  const start = connection.write("INSERT INTO cursor (lane, handed_until) VALUES (:lane, :to) ON CONFLICT DO NOTHING");
  const move = connection.write("UPDATE cursor SET handed_until = :to WHERE lane = :lane AND handed_until = :from");
  const until = (lane: string) => read({ lane })?.handed_until;
  const moved = (lane: string, from: EpochMs | undefined, to: EpochMs): boolean =>
    (from === undefined ? start({ lane, to }) : move({ lane, from, to })) === 1;
  return {
    dispatchedUntil: (lane) => connection.read("dispatchedUntil", () => until(lane)),
    moveDispatched: (lane, from, to) => connection.change("moveDispatched", () => moved(lane, from, to)),
    sweepAt: (vault) => connection.read("sweepAt", () => until(sweepOf(vault))),
    moveSweep: (vault, from, to) => connection.change("moveSweep", () => moved(sweepOf(vault), from, to)),
  };
}

/** Beside the lanes, none of which has a space. */
function sweepOf(vault: string): string {
  return `sweep ${vault}`;
}
