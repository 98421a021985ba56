import { GetQueueAttributesCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { type Clock, type EpochMs, SECOND_MS } from "../clock.ts";
import { awsError } from "./aws-errors.ts";
import { queueName } from "./send-batches.ts";

/** The time of a worker for one message of 25 keys when Vault and clusters are slow. */
const MESSAGE_MS = 2 * SECOND_MS;
const TIMEOUT_MS = 5_000;

export interface BacklogOptions {
  readonly client: SQSClient;
  readonly url: string;
  /** Concurrent invocations for the queue, and messages per invocation. */
  readonly concurrency: number;
  readonly perInvocation: number;
  readonly clock: Clock;
}

/**
 * Estimates when the oldest waiting message should have started. SQS reports how many messages wait, but their age only
 * in a metric that is minutes late, so this divides the count by the workers' speed.
 */
export function sqsBacklog(options: BacklogOptions): (signal: AbortSignal) => Promise<{ readonly oldestAt?: EpochMs }> {
  const { client, url, concurrency, perInvocation, clock } = options;
  const command = new GetQueueAttributesCommand({
    QueueUrl: url,
    AttributeNames: ["ApproximateNumberOfMessages"],
  });
  return async (signal) => {
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    try {
      const { Attributes } = await client.send(command, { abortSignal });
      const waiting = Number(Attributes?.ApproximateNumberOfMessages ?? 0);
      if (waiting === 0) return {};
      return { oldestAt: clock() - Math.round((waiting * MESSAGE_MS) / (concurrency * perInvocation)) };
    } catch (error) {
      throw awsError(error, queueName(url), "sqs:GetQueueAttributes");
    }
  };
}
