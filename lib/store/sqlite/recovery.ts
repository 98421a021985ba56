import type { EpochMs } from "../../clock.ts";
import type { Connection } from "./connection.ts";

export interface Recovery {
  /**
   * Ends every lease: for the holder of the data directory's lock, who knows that no other worker lives. What a killed
   * process was at is due at once instead of at the end of its lease; its fences stay, so that nothing of it can be stored.
   */
  expireLeases(now: EpochMs): Promise<void>;
}

/** A state that is damaged must not keep the process from starting. */
const BUSY_UNTIL = "CASE WHEN json_valid(body.state) THEN json_extract(body.state, '$.busyUntil') END";

export function recovery(connection: Connection): Recovery {
  const busy = connection.write(`
    UPDATE sync SET due_at = :now WHERE due_at > :now AND EXISTS (
      SELECT 1 FROM body WHERE body.id = sync.body AND ${BUSY_UNTIL} > :now)`);
  const idle = connection.part(`
    UPDATE body SET state = json_remove(state, '$.busyUntil') WHERE ${BUSY_UNTIL} > :now`);
  const syncs = connection.write("UPDATE sync SET lease_until = NULL, due_at = :now WHERE lease_until > :now");
  const clusters = connection.write("UPDATE cluster SET lease_until = NULL, due_at = :now WHERE lease_until > :now");
  return {
    expireLeases: (now) =>
      connection.change("expireLeases", () => {
        // Clean-ups need not wait for the last lease of their declaration either.
        busy({ now });
        idle({ now });
        syncs({ now });
        clusters({ now });
      }),
  };
}
