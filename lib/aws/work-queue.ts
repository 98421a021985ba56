import type { SQSClient } from "@aws-sdk/client-sqs";
import { type Clock, SECOND_MS } from "../clock.ts";
import type { WorkMessage, WorkQueue } from "../ports/queue.ts";
import type { Lane } from "../ports/rows.ts";
import { laneOf, workBody } from "./envelopes.ts";
import { sendBatches } from "./send-batches.ts";

/** SQS's maximum delay, in s. A message that arrives before its time is sent again. */
const MAX_DELAY_S = 900;

export interface WorkQueueOptions {
  readonly client: SQSClient;
  readonly urls: Readonly<Record<Lane, string>>;
  readonly clock: Clock;
}

/** The two lanes as SQS queues: a message becomes visible at its time, never before. */
export function sqsWorkQueue({ client, urls, clock }: WorkQueueOptions): WorkQueue {
  return {
    async send(messages) {
      const now = clock();
      const lanes = Map.groupBy(messages, laneOf);
      await Promise.all(
        [...lanes].map(([lane, sent]) =>
          sendBatches(
            client,
            urls[lane],
            sent.map((message) => ({ body: workBody(message), delaySeconds: delayOf(message, now) })),
          ),
        ),
      );
    },
  };
}

function delayOf({ at }: WorkMessage, now: number): number {
  return Math.min(Math.max(0, Math.ceil((at - now) / SECOND_MS)), MAX_DELAY_S);
}
