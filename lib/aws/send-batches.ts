import { SendMessageBatchCommand, type SendMessageBatchRequestEntry, type SQSClient } from "@aws-sdk/client-sqs";
import { SyncError } from "../errors.ts";
import { awsError } from "./aws-errors.ts";

/** Messages per request; also the number of concurrent requests. */
export const ENTRIES = 10;
const AT_ONCE = 8;
/** For a request with the SDK's retries, in ms. */
const TIMEOUT_MS = 10_000;
/** How often messages are sent that a queue rejects from an accepted batch. */
const TRIES = 3;

export interface Entry {
  readonly body: string;
  readonly delaySeconds: number;
}

/**
 * Sends all entries; resolves when each is accepted. After a failure some may be sent already; repeating them is
 * harmless.
 */
export async function sendBatches(client: SQSClient, url: string, entries: readonly Entry[]): Promise<void> {
  const batches = chunks(
    entries.map(({ body, delaySeconds }, at) => ({
      Id: String(at % ENTRIES),
      MessageBody: body,
      DelaySeconds: delaySeconds,
    })),
    ENTRIES,
  );
  for (const together of chunks(batches, AT_ONCE)) {
    await Promise.all(together.map((batch) => sendBatch(client, url, batch)));
  }
}

async function sendBatch(
  client: SQSClient,
  url: string,
  batch: readonly SendMessageBatchRequestEntry[],
): Promise<void> {
  let left = batch;
  for (let tries = 0; left.length > 0 && tries < TRIES; tries++) {
    const refused = new Set(await refusedOf(client, url, left));
    left = left.filter(({ Id = "" }) => refused.has(Id));
  }
  if (left.length === 0) return;
  throw new SyncError("STORE_UNAVAILABLE", `${queueName(url)} did not accept ${left.length} messages: try again`);
}

async function refusedOf(
  client: SQSClient,
  url: string,
  entries: readonly SendMessageBatchRequestEntry[],
): Promise<readonly string[]> {
  const command = new SendMessageBatchCommand({ QueueUrl: url, Entries: [...entries] });
  try {
    const { Failed = [] } = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    return Failed.map(({ Id = "" }) => Id);
  } catch (error) {
    throw awsError(error, queueName(url), "sqs:SendMessage");
  }
}

/** The name in a queue's URL. */
export function queueName(url: string): string {
  return `queue ${url.split("/").at(-1) ?? url}`;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) => items.slice(at * size, (at + 1) * size));
}
