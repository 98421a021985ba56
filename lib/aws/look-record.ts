import { described } from "../described.ts";
import type { Log, Metrics } from "../reconcile/ports.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Deadline } from "./deadline.ts";
import { type LookRequest, parseLooks } from "./envelopes.ts";
import type { LookQueue } from "./look-queue.ts";
import { isRepeated, type QueueRecord } from "./queue-record.ts";

export interface LookDeps {
  /** The fence of a cluster's row now: 0 when there is none, undefined when the cluster left the fleet. */
  readonly fenceOf: (cluster: string) => Promise<number | undefined>;
  readonly look: (cluster: string, signal: AbortSignal) => Promise<void>;
  readonly queue: LookQueue;
  readonly deadLetters: DeadLetters;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** One message of the discovery queue: looks at its clusters, all at once. Resolves when it is done with; throws when it is to come again. */
export async function lookRecord(deps: LookDeps, record: QueueRecord, deadline: Deadline): Promise<void> {
  const requests = parseLooks(record.body);
  if (requests === undefined) {
    await deps.deadLetters(record.body, "not a message of keyferry's");
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
  const failed = await Promise.all(requests.map((request) => lookOnce(deps, request, deadline.signal)));
  const crashed = failed.filter((isFailed) => isFailed).length;
  if (crashed > 0) throw new Error(`${crashed} of ${requests.length} looks failed`);
}

/** Nothing when somebody has looked since this was asked for. */
async function lookOnce(deps: LookDeps, { cluster, fence }: LookRequest, signal: AbortSignal): Promise<boolean> {
  try {
    if ((await deps.fenceOf(cluster)) === fence) await deps.look(cluster, signal);
    return false;
  } catch (error) {
    deps.log.error("look-crashed", { cluster, ...described(error) });
    return true;
  }
}
