/** Messages of a lane that one invocation takes, all at once: a test holds the template against it. */
export const MESSAGES_PER_INVOCATION = 4;

/** What we read of a record of an SQS event. */
export interface QueueRecord {
  readonly messageId: string;
  readonly body: string;
  readonly eventSourceARN: string;
  readonly attributes: { readonly ApproximateReceiveCount: string };
}

/** It was delivered before, and whoever had it did not finish. */
export function isRepeated({ attributes }: QueueRecord): boolean {
  return Number(attributes.ApproximateReceiveCount) > 1;
}

/** Whether an event is one of a queue: someone may call a function by hand, or wire another source to it. */
export function isQueueEvent(event: unknown): event is { readonly Records: readonly QueueRecord[] } {
  if (typeof event !== "object" || event === null || !("Records" in event) || !Array.isArray(event.Records))
    return false;
  return event.Records.every(
    (record: { readonly eventSource?: unknown; readonly body?: unknown } | null) =>
      record?.eventSource === "aws:sqs" && typeof record.body === "string",
  );
}
