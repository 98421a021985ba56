import type { DomainEvent } from "../ports/rows.ts";
import type { Log } from "../ports/telemetry.ts";

/** Domain events as log lines: `{"event":"domain-event","kind":"SecretSynced","detail":{…}}`. */
export function eventLines(log: Log): (event: DomainEvent) => void {
  return ({ kind, detail }) => log.info("domain-event", { kind, detail });
}
