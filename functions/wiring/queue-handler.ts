import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import type { PartialItemFailureResponse } from "@aws-lambda-powertools/batch/types";
import type { Deadline } from "../../lib/aws/deadline.ts";
import { NOTHING_TOLD, type Told } from "../../lib/aws/function-traces.ts";
import { isQueueEvent, type QueueRecord } from "../../lib/aws/queue-record.ts";
import { SECOND_MS } from "../../lib/clock.ts";
import { described } from "../../lib/described.ts";
import type { Base } from "./base.ts";
import { type Handler, handlerOf } from "./handler.ts";

/** How long an invocation waits for its domain events; the sweep sends what is left. */
const EVENTS_MS = 5 * SECOND_MS;

/** A function that processes a queue: all messages concurrently, and only unfinished ones come again. */
export function queueHandler(
  base: Base,
  prepare: () => Promise<void>,
  work: (record: QueueRecord, deadline: Deadline) => Promise<void>,
  told: (record: QueueRecord) => Told,
): Handler<PartialItemFailureResponse> {
  const { log, metrics, traces } = base;
  return handlerOf(base, async (event, deadline) => {
    if (!isQueueEvent(event)) {
      metrics.count("keyferry_events_refused_total", {});
      log.error("event-refused", { because: "not an event of a queue" });
      return { batchItemFailures: [] };
    }
    await traces.part("prepare", NOTHING_TOLD, prepare);
    const workLogged = async (record: QueueRecord): Promise<void> => {
      try {
        await traces.part(
          "message",
          () => told(record),
          () => work(record, deadline),
        );
      } catch (error) {
        log.error("message-failed", { message: record.messageId, ...described(error) });
        throw error;
      }
    };
    const records = {
      Records: [...event.Records] as unknown as Parameters<typeof processPartialResponse>[0]["Records"],
    };
    const processor = new BatchProcessor(EventType.SQS);
    const response = await processPartialResponse(records, workLogged, processor, { throwOnFullBatchFailure: false });
    await base.events?.flushed(AbortSignal.any([deadline.signal, AbortSignal.timeout(EVENTS_MS)]));
    return response;
  });
}
