import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";
import { awsError } from "./aws-errors.ts";
import { queueName } from "./send-batches.ts";

const TIMEOUT_MS = 10_000;

/**
 * Moves a message that can't be processed to the dead-letter queue, at once and with the reason, instead of after many
 * deliveries.
 */
export type DeadLetters = (body: string, reason: string) => Promise<void>;

export function sqsDeadLetters({ client, url }: { readonly client: SQSClient; readonly url: string }): DeadLetters {
  return async (body, reason) => {
    const MessageAttributes = { reason: { DataType: "String", StringValue: reason } };
    const command = new SendMessageCommand({ QueueUrl: url, MessageBody: body, MessageAttributes });
    try {
      await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      throw awsError(error, queueName(url), "sqs:SendMessage");
    }
  };
}
