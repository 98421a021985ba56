/** Messages of a lane per invocation, processed concurrently; a test compares it with the template. */
export const MESSAGES_PER_INVOCATION = 4;

/** The parts of an SQS record that we read. */
export interface QueueRecord {
  readonly messageId: string;
  readonly body: string;
  readonly eventSourceARN: string;
  readonly attributes: { readonly ApproximateReceiveCount: string };
}

/** Whether an earlier delivery was not completed. */
export function isRepeated({ attributes }: QueueRecord): boolean {
  return Number(attributes.ApproximateReceiveCount) > 1;
}

/** Whether this is an event of a queue: a function may be invoked by hand, or have another source. */
export function isQueueEvent(event: unknown): event is { readonly Records: readonly QueueRecord[] } {
  if (typeof event !== "object" || event === null || !("Records" in event) || !Array.isArray(event.Records))
    return false;
  return event.Records.every(
    (record: { readonly eventSource?: unknown; readonly body?: unknown } | null) =>
      record?.eventSource === "aws:sqs" && typeof record.body === "string",
  );
}
