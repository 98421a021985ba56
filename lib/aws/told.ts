import { keysOf, laneOf, parseWatchPasses, parseWork } from "./envelopes.ts";
import type { Told } from "./function-traces.ts";
import type { QueueRecord } from "./queue-record.ts";

/** The trace description of a lane's message. */
export function toldOfWork({ body }: QueueRecord): Told {
  const message = parseWork(body);
  if (message === undefined) return {};
  const keys = keysOf(message);
  const probe = message.kind === "probe" ? { probe: message.circuit } : {};
  return { annotations: { kind: message.kind, lane: laneOf(message), keys: keys.length, ...probe }, about: keys };
}

/** The trace description of a discovery message. */
export function toldOfWatchPasses({ body }: QueueRecord): Told {
  const requests = parseWatchPasses(body) ?? [];
  return { annotations: { clusters: requests.length }, about: requests.map(({ cluster }) => cluster) };
}
