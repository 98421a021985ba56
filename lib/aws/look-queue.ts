import type { SQSClient } from "@aws-sdk/client-sqs";
import { type LookRequest, looksBody } from "./envelopes.ts";
import { sendBatches } from "./send-batches.ts";

/** One invocation looks at so many clusters at once. */
export const MAX_LOOKS = 50;

export interface LookQueue {
  /** Resolves when every request was accepted. */
  send(requests: readonly LookRequest[]): Promise<void>;
  /** Each cluster in a message of its own: one that kills the process takes no companions along. */
  sendApart(requests: readonly LookRequest[]): Promise<void>;
}

export function sqsLookQueue({ client, url }: { readonly client: SQSClient; readonly url: string }): LookQueue {
  const send = (requests: readonly LookRequest[], size: number): Promise<void> => {
    const bodies = Array.from({ length: Math.ceil(requests.length / size) }, (_, at) =>
      looksBody(requests.slice(at * size, (at + 1) * size)),
    );
    return sendBatches(
      client,
      url,
      bodies.map((body) => ({ body, delaySeconds: 0 })),
    );
  };
  return { send: (requests) => send(requests, MAX_LOOKS), sendApart: (requests) => send(requests, 1) };
}
