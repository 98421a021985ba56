import type { EpochMs } from "../../clock.ts";
import type { HubRow, HubStore } from "../../ports/store.ts";
import { parsed, soundHubState } from "../stored.ts";
import type { Connection } from "./connection.ts";

interface HubRecord {
  readonly name: string;
  readonly fence: number;
  readonly lease_until: EpochMs | null;
  readonly due_at: EpochMs;
  readonly revision: number | null;
}

const ROW = "name, fence, lease_until, due_at, revision";

/** The hubs of the fleet, and which worker reads one now. */
export function hubStore(connection: Connection): HubStore {
  const all = connection.all<HubRecord>(`SELECT ${ROW} FROM hub ORDER BY name`);
  const one = connection.one<{ readonly revision: number | null; readonly state: string | null }>(
    "SELECT revision, state FROM hub WHERE name = :name",
  );
  const claim = connection.writeOne<HubRecord>(`
    INSERT INTO hub (name, fence, lease_until, due_at) VALUES (:name, :now, :until, :until)
    ON CONFLICT (name) DO UPDATE SET fence = fence + 1, lease_until = :until, due_at = :until
    WHERE lease_until IS NULL OR lease_until <= :now
    RETURNING ${ROW}`);
  const end = connection.write(
    "UPDATE hub SET lease_until = NULL, due_at = :dueAt WHERE name = :name AND fence = :fence",
  );
  const save = connection.write(`
    UPDATE hub SET lease_until = NULL, due_at = :dueAt, revision = fence, state = :state
    WHERE name = :name AND fence = :fence`);
  const remove = connection.write("DELETE FROM hub WHERE name = :name AND fence = :fence");
  return {
    hubs: () => connection.read("hubs", () => all({}).map(hubOf)),
    hubState: (name) =>
      connection.read("hubState", () => {
        const record = one({ name });
        if (record === undefined || record.revision === null) return undefined;
        const state = soundHubState(parsed(record.state));
        if (state === undefined) connection.damaged(`hub:${name}`);
        return state && { revision: record.revision, state };
      }),
    claimHub: (name, { now, until }) =>
      connection.change("claimHub", () => {
        const record = claim({ name, now, until });
        return record && hubOf(record);
      }),
    saveHub: ({ name, fence }, state, dueAt) =>
      connection.change("saveHub", () => {
        const saved = { name, fence, dueAt };
        return (state === undefined ? end(saved) : save({ ...saved, state: JSON.stringify(state) })) === 1;
      }),
    removeHub: ({ name, fence }) => connection.change("removeHub", () => void remove({ name, fence })),
  };
}

function hubOf({ name, fence, lease_until, due_at, revision }: HubRecord): HubRow {
  return {
    name,
    fence,
    ...(lease_until === null ? {} : { leaseUntil: lease_until }),
    dueAt: due_at,
    ...(revision === null ? {} : { revision }),
  };
}
