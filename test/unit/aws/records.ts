import type { Deadline } from "../../../lib/aws/deadline.ts";
import type { QueueRecord } from "../../../lib/aws/queue-record.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { Log, Metrics } from "../../../lib/ports/telemetry.ts";

const quiet = (): void => undefined;
export const QUIET: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet };

/** Metrics that remember what was counted, by name. */
export function counting(): Metrics & { readonly counts: Record<string, number> } {
  const counts: Record<string, number> = {};
  return {
    counts,
    count: (name, _labels, by = 1) => {
      counts[name] = (counts[name] ?? 0) + by;
    },
    ran: quiet,
    observe: quiet,
  };
}

/** A record of an SQS event, delivered for the first time. */
export function aRecord(body: string, times = 1): QueueRecord {
  return {
    messageId: "m",
    body,
    eventSourceARN: "arn:aws:sqs:eu-central-1:123456789012:now",
    attributes: { ApproximateReceiveCount: String(times) },
  };
}

export function aDeadline(isNear = false): Deadline {
  return { signal: new AbortController().signal, isNear: () => isNear, [Symbol.dispose]: quiet };
}

/** A queue that remembers. */
export function sending() {
  const sent: WorkMessage[] = [];
  return {
    sent,
    send: async (messages: readonly WorkMessage[]): Promise<void> => void sent.push(...messages),
  };
}
