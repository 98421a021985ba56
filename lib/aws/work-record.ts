import { type Clock, HOUR_MS, SECOND_MS } from "../clock.ts";
import { described } from "../described.ts";
import type { SyncKey } from "../keys.ts";
import type { KeysMessage, WorkMessage, WorkQueue } from "../ports/queue.ts";
import type { Log, Metrics } from "../ports/telemetry.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Deadline } from "./deadline.ts";
import { keysOf, parseWork } from "./envelopes.ts";
import { isRepeated, type QueueRecord } from "./queue-record.ts";

/** Nothing of ours is sent so long before its time: such a message would be sent on and on, every 15 minutes. */
const MAX_AHEAD_MS = HOUR_MS;
/** SQS counts delays in whole seconds. */
const EARLY_MS = SECOND_MS;

export interface WorkDeps {
  readonly handle: (
    message: WorkMessage,
    signal: AbortSignal,
  ) => Promise<{ readonly failed: readonly { readonly key: SyncKey; readonly error: unknown }[] }>;
  readonly queue: WorkQueue;
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** One message of a lane. Resolves when it is done with; throws when it is to come again. */
export async function workRecord(deps: WorkDeps, record: QueueRecord, deadline: Deadline): Promise<void> {
  const message = parseWork(record.body);
  if (message === undefined || message.at > deps.clock() + MAX_AHEAD_MS) return refuse(deps, record);
  const keys = keysOf(message);
  if (message.kind === "keys" && isRepeated(record) && keys.length > 1) return split(deps, message);
  // Sent on unread: it came before its time, which is further off than SQS can delay, or there is no time left for it.
  const isEarly = message.at > deps.clock() + EARLY_MS;
  if (isEarly || deadline.isNear()) {
    deps.log.info("message-handed-back", {
      kind: message.kind,
      keys: keys.length,
      because: isEarly ? "early" : "no-time-left",
    });
    return deps.queue.send([message]);
  }
  const { failed } = await deps.handle(message, deadline.signal);
  for (const { key, error } of failed) deps.log.error("run-crashed", { key, ...described(error) });
  if (failed.length > 0) throw new Error(`${failed.length} of ${keys.length} keys failed`);
}

/** Not one of ours: nobody's time is spent on it twice, and a person finds it. */
async function refuse(deps: WorkDeps, record: QueueRecord): Promise<void> {
  await deps.deadLetters(record.body, "not a message of keyferry's");
  deps.metrics.count("keyferry_messages_refused_total", {});
  deps.log.error("message-refused", { message: record.messageId });
}

/** A key that kills the process takes no companions along (lease-table 15). */
async function split(deps: WorkDeps, message: KeysMessage): Promise<void> {
  await deps.queue.send(message.keys.map((key) => ({ ...message, keys: [key] })));
  deps.metrics.count("keyferry_messages_split_total", {});
  deps.log.warn("message-split", { keys: message.keys.length });
}
