import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isQueueEvent } from "../../../lib/aws/queue-record.ts";
import { aRecord } from "./records.ts";

describe("an event of a queue", () => {
  it("is told from every other event", () => {
    const record = { ...aRecord("{}"), eventSource: "aws:sqs" };
    assert.equal(isQueueEvent({ Records: [record] }), true);
    const others = [
      undefined,
      null,
      "text",
      {},
      { Records: "many" },
      { Records: [null] },
      { Records: [{ ...record, eventSource: "aws:s3" }] },
      { Records: [record, { eventSource: "aws:sqs" }] },
      { source: "aws.events", "detail-type": "Scheduled Event" },
    ];
    for (const other of others) assert.equal(isQueueEvent(other), false, JSON.stringify(other));
  });
});
