import type { EpochMs } from "../clock.ts";
import type { Connection } from "./sqlite-connection.ts";

export interface Recovery {
  /**
   * Ends every lease: for the holder of the data directory's lock, who knows that no other worker lives. What a killed
   * process was at is due at once instead of at the end of its lease; its fences stay, so that nothing of it can be stored.
   */
  expireLeases(now: EpochMs): Promise<void>;
}

export function recovery(connection: Connection): Recovery {
  const syncs = connection.write("UPDATE sync SET lease_until = NULL, due_at = :now WHERE lease_until > :now");
  const clusters = connection.write("UPDATE cluster SET lease_until = NULL, due_at = :now WHERE lease_until > :now");
  return {
    expireLeases: (now) =>
      connection.change("expireLeases", () => {
        syncs({ now });
        clusters({ now });
      }),
  };
}
