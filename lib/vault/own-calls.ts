import type { OwnCalls } from "../ports/own-calls.ts";

/** Ids in memory: more than a fleet revokes before their lines arrive. */
const MOST_IDS = 10_000;

export function ownCalls(most = MOST_IDS): OwnCalls {
  const leases = new Set<string>();
  const requests = new Set<string>();
  const keep = (ids: Set<string>, id: string): void => {
    ids.delete(id);
    ids.add(id);
    const [oldest] = ids;
    if (ids.size > most && oldest !== undefined) ids.delete(oldest);
  };
  return {
    revokes: (leaseId) => keep(leases, leaseId),
    asked(requestId) {
      if (requestId !== "") keep(requests, requestId);
    },
    has: ({ requestId, leaseId }) => requests.has(requestId) || (leaseId !== undefined && leases.has(leaseId)),
  };
}
