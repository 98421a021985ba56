import type { HubState } from "../ports/store.ts";
import type { Log } from "../ports/telemetry.ts";
import type { ComposedFleet } from "./compose.ts";

/** Logs what a pass over a hub found, once for each change. */
export function hubTeller(log: Log): (hub: string, state: HubState, fleet: ComposedFleet) => void {
  const told = new Map<string, ReadonlySet<string>>();
  return (hub, { awaitingApproval }, { refused }) => {
    const before = told.get(hub) ?? new Set();
    const now = new Set<string>();
    for (const { object, name, error } of refused.filter((refusal) => refusal.hub === hub)) {
      const { code, message } = error;
      const id = `${object} ${code} ${message}`;
      now.add(id);
      if (!before.has(id)) log.warn("hub-cluster-refused", { hub, object, cluster: name, code, message });
    }
    if (awaitingApproval !== undefined) {
      const { gone, of } = awaitingApproval;
      const id = `missing ${gone}`;
      now.add(id);
      if (!before.has(id)) log.warn("hub-clusters-missing", { hub, gone, of, accept: `--accept-missing hub:${hub}` });
    }
    told.set(hub, now);
  };
}
