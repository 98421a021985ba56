import type { EpochMs } from "../../clock.ts";
import type { Connection } from "./connection.ts";

export interface Recovery {
  /**
   * Ends every lease, and the pauses between probes. Only for the holder of the data directory's lock, because then no other worker runs. Rows of a
   * killed process are due at once instead of at the end of their leases; their fences stay, so that it can't store
   * anything. That they were worked on stays known.
   */
  expireLeases(now: EpochMs): Promise<void>;
}

/** A damaged state must not keep the process from starting. */
const BUSY_UNTIL = "CASE WHEN json_valid(body.state) THEN json_extract(body.state, '$.busyUntil') END";

export function recovery(connection: Connection): Recovery {
  const busy = connection.write(`
    UPDATE sync SET due_at = :now WHERE due_at > :now AND EXISTS (
      SELECT 1 FROM body WHERE body.id = sync.body AND ${BUSY_UNTIL} > :now)`);
  const idle = connection.part(`
    UPDATE body SET state = json_remove(state, '$.busyUntil', '$.busyFence') WHERE ${BUSY_UNTIL} > :now`);
  const syncs = connection.write("UPDATE sync SET lease_until = :now, due_at = :now WHERE lease_until > :now");
  const clusters = connection.write("UPDATE cluster SET lease_until = NULL, due_at = :now WHERE lease_until > :now");
  const hubs = connection.write("UPDATE hub SET lease_until = NULL, due_at = :now WHERE lease_until > :now");
  const probes = connection.write("UPDATE circuit SET probe_at = :now WHERE probe_at > :now");
  return {
    expireLeases: (now) =>
      connection.change("expireLeases", () => {
        // Clean-ups need not wait for their declaration's last lease either.
        busy({ now });
        idle({ now });
        syncs({ now });
        clusters({ now });
        hubs({ now });
        probes({ now });
      }),
  };
}
