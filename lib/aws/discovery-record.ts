import { described } from "../described.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Deadline } from "./deadline.ts";
import type { DiscoveryQueue } from "./discovery-queue.ts";
import { parseWatchPasses, type WatchPassRequest } from "./envelopes.ts";
import { isRepeated, type QueueRecord } from "./queue-record.ts";

export interface DiscoveryDeps {
  /** The current fence of a cluster's row: 0 without a row, undefined when the cluster left the fleet. */
  readonly fenceOf: (cluster: string) => Promise<number | undefined>;
  readonly watchPass: (cluster: string, signal: AbortSignal) => Promise<void>;
  readonly queue: DiscoveryQueue;
  readonly deadLetters: DeadLetters;
  readonly log: Log;
  readonly metrics: Metrics;
}

/**
 * Processes one message of the discovery queue: a watch pass over each of its clusters, concurrently. Throws when the
 * message must be delivered again.
 */
export async function discoveryRecord(deps: DiscoveryDeps, record: QueueRecord, deadline: Deadline): Promise<void> {
  const requests = parseWatchPasses(record.body);
  if (requests === undefined) {
    await deps.deadLetters(record.body, "not a keyferry message");
    deps.metrics.count("keyferry_messages_refused_total", {});
    deps.log.error("message-refused", { message: record.messageId });
    return;
  }
  if (isRepeated(record) && requests.length > 1) {
    await deps.queue.sendApart(requests);
    deps.metrics.count("keyferry_messages_split_total", {});
    return;
  }
  if (deadline.isNear()) return deps.queue.send(requests);
  const failed = await Promise.all(requests.map((request) => passOnce(deps, request, deadline.signal)));
  const crashed = failed.filter((isFailed) => isFailed).length;
  if (crashed > 0) throw new Error(`${crashed} of ${requests.length} watch passes failed`);
}

/** Does nothing if a pass has run since the request. */
async function passOnce(
  deps: DiscoveryDeps,
  { cluster, fence }: WatchPassRequest,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if ((await deps.fenceOf(cluster)) === fence) await deps.watchPass(cluster, signal);
    return false;
  } catch (error) {
    deps.log.error("watch-pass-crashed", { cluster, ...described(error) });
    return true;
  }
}
