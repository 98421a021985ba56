import type { SQSClient } from "@aws-sdk/client-sqs";
import { type WatchPassRequest, watchPassesBody } from "./envelopes.ts";
import { sendBatches } from "./send-batches.ts";

/** How many clusters one invocation watches at once. */
export const MAX_PASSES = 50;

export interface DiscoveryQueue {
  /** Resolves when every request is accepted. */
  send(requests: readonly WatchPassRequest[]): Promise<void>;
  /** Sends each cluster in its own message, so that one that kills the process affects no other. */
  sendApart(requests: readonly WatchPassRequest[]): Promise<void>;
}

export function sqsDiscoveryQueue({
  client,
  url,
}: {
  readonly client: SQSClient;
  readonly url: string;
}): DiscoveryQueue {
  const send = (requests: readonly WatchPassRequest[], size: number): Promise<void> => {
    const bodies = Array.from({ length: Math.ceil(requests.length / size) }, (_, at) =>
      watchPassesBody(requests.slice(at * size, (at + 1) * size)),
    );
    return sendBatches(
      client,
      url,
      bodies.map((body) => ({ body, delaySeconds: 0 })),
    );
  };
  return { send: (requests) => send(requests, MAX_PASSES), sendApart: (requests) => send(requests, 1) };
}
