import { NOTHING_TOLD } from "../lib/aws/function-traces.ts";
import { type Envelope, parseEnvelope } from "../lib/aws/inlet-envelopes.ts";
import { auditParts } from "./wiring/audit-parts.ts";
import { answerPost } from "./wiring/audit-post.ts";
import { takeEvent, takeReturned } from "./wiring/audit-work.ts";
import { baseOf } from "./wiring/base.ts";
import { handlerOf } from "./wiring/handler.ts";

const base = baseOf(process.env);
const parts = auditParts(base, process.env.AWS_ENDPOINT_URL !== undefined);

/**
 * Takes audit lines of Vaults from log subscriptions, EventBridge, S3 and POSTs; each becomes nudges before the event
 * is acknowledged. Events that failed come back from a queue.
 */
export const handler = handlerOf(base, async (event, { signal }) => {
  const envelope = parseEnvelope(event);
  await base.traces.part("prepare", NOTHING_TOLD, () => base.fleet.current());
  const answer = await handled(envelope, signal);
  await parts.note();
  return answer;
});

async function handled(envelope: Envelope, signal: AbortSignal) {
  switch (envelope.kind) {
    case "post":
      return answerPost(parts, envelope.request, signal);
    case "returned": {
      const failed = await takeReturned(parts, envelope.records, signal);
      return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
    }
    default:
      return takeEvent(parts, envelope, signal);
  }
}
