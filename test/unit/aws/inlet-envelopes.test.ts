import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { parseEnvelope } from "../../../lib/aws/inlet-envelopes.ts";
import {
  busEvent,
  createdEvent,
  destinationBody,
  failuresEvent,
  logsEvent,
  notification,
  urlEvent,
} from "./inlet-events.ts";

const LINE = JSON.stringify({ time: "2030-01-01T00:00:00Z", type: "response", request: { operation: "update" } });

describe("an event for vault-audit", () => {
  it("is of a log group, with the messages of its lines", () => {
    assert.deepEqual(parseEnvelope(logsEvent("/vault/audit", [LINE, "no json"])), {
      kind: "lines",
      from: { by: "logGroup", logGroup: "/vault/audit" },
      texts: [LINE, "no json"],
    });
  });

  it("is nothing when CloudWatch or S3 only checks that it may send", () => {
    const control = { messageType: "CONTROL_MESSAGE", logGroup: "", logEvents: [{ message: "CWL CONTROL MESSAGE" }] };
    const test = { Service: "Amazon S3", Event: "s3:TestEvent", Time: "2030-01-01T00:00:00Z", Bucket: "logs" };
    for (const event of [logsEvent("", [], control), test]) assert.deepEqual(parseEnvelope(event), { kind: "nothing" });
  });

  it("may have lines as text or as the JSON that they are, one or many", () => {
    const of = (type: string, detail: unknown) => parseEnvelope(busEvent("vault.prod", type, detail));
    const from = { by: "source", source: "vault.prod" };
    assert.deepEqual(of("VaultAuditLine", { line: LINE }), { kind: "lines", from, texts: [LINE] });
    assert.deepEqual(of("VaultAuditLine", { line: JSON.parse(LINE) }), { kind: "lines", from, texts: [LINE] });
    const lines = [LINE, JSON.parse(LINE), 7, null];
    assert.deepEqual(of("VaultAuditLines", { lines }), { kind: "lines", from, texts: [LINE, LINE, "7", "null"] });
  });

  it("keeps a place for what is no line, so that it is counted", () => {
    const envelope = parseEnvelope(busEvent("vault.prod", "VaultAuditLine", {}));
    const texts = envelope.kind === "lines" ? envelope.texts : [];
    assert.equal(texts.length, 1);
    assert.throws(() => JSON.parse(texts[0] ?? ""));
  });

  it("is a new object: EventBridge writes its key plainly, a notification as in a form", () => {
    const place = (key: string) => ({ kind: "objects", objects: [{ by: "object", bucket: "logs", key }] });
    assert.deepEqual(parseEnvelope(createdEvent("logs", "a b/ü+%41.gz")), place("a b/ü+%41.gz"));
    assert.deepEqual(parseEnvelope(notification("logs", "a+b/%C3%BC%2B%2541.gz")), place("a b/ü+%41.gz"));
  });

  it("is nothing when an object was deleted or restored", () => {
    for (const event of [notification("logs", "a", "ObjectRemoved:Delete"), busEvent("aws.s3", "Object Deleted", {})]) {
      assert.deepEqual(parseEnvelope(event), { kind: "nothing" });
    }
  });

  it("is a request, with the bytes that were sent", () => {
    const body = gzipSync(LINE);
    const headers = { "X-Keyferry-Timestamp": "1893456000" };
    const envelope = parseEnvelope(urlEvent({ path: "/main", headers, body }));
    assert.ok(envelope.kind === "post");
    const { method, path, headers: got, body: bytes } = envelope.request;
    assert.deepEqual([method, path, got["x-keyferry-timestamp"]], ["POST", "/main", "1893456000"]);
    assert.deepEqual(bytes, body);
  });

  it("comes back from the queue of failures, as Lambda or EventBridge gave it up", () => {
    const event = logsEvent("/vault/audit", [LINE]);
    const envelope = parseEnvelope(event);
    for (const [returned, isTooOld] of [
      [failuresEvent([destinationBody(event)]), false],
      [failuresEvent([destinationBody(event, "EventAgeExceeded")]), true],
      [failuresEvent([JSON.stringify(event)], { EXHAUSTED_RETRY_CONDITION: "MaximumRetryAttempts" }), false],
      [failuresEvent([JSON.stringify(event)], { EXHAUSTED_RETRY_CONDITION: "MaximumEventAgeInSeconds" }), true],
    ] as const) {
      const parsed = parseEnvelope(returned);
      assert.ok(parsed.kind === "returned");
      const [{ envelope: found, isTooOld: old, messageId } = assert.fail()] = parsed.records;
      assert.deepEqual([found, old, messageId], [envelope, isTooOld, "m0"]);
    }
  });

  it("comes back as it was, however deep its lines nest as JSON", () => {
    const nested = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
    const line = { ...(JSON.parse(LINE) as object), request: { data: nested(5) } };
    for (const event of [
      busEvent("vault.prod", "VaultAuditLines", { lines: [line, LINE] }),
      busEvent("vault.prod", "VaultAuditLine", { line: nested(1_000) }),
    ]) {
      const once = parseEnvelope(event);
      assert.equal(once.kind, "lines");
      for (const body of [destinationBody(event), JSON.stringify(event)]) {
        const parsed = parseEnvelope(failuresEvent([body]));
        assert.ok(parsed.kind === "returned");
        assert.deepEqual(parsed.records[0]?.envelope, once);
      }
    }
  });

  it("is no request when it comes from a queue: nobody verified a signature there", () => {
    for (const inner of [urlEvent({ path: "/main" }), failuresEvent([destinationBody(logsEvent("g", [LINE]))])]) {
      const parsed = parseEnvelope(failuresEvent([destinationBody(inner)]));
      assert.ok(parsed.kind === "returned");
      assert.equal(parsed.records[0]?.envelope.kind, "foreign");
    }
  });

  it("is foreign in every other case, and says why", () => {
    const bomb = gzipSync(Buffer.alloc(65 * 1_024 * 1_024)).toString("base64");
    const nested = gzipSync(`{"logGroup":"g","messageType":"DATA_MESSAGE","logEvents":${"[".repeat(100)}`);
    for (const [event, because] of [
      [undefined, /of no kind/],
      [[], /of no kind/],
      [{ Records: [] }, /of no kind/],
      [{ source: "aws.ec2", detail: {} }, /of no kind/],
      [{ awslogs: { data: "no gzip" } }, /no gzip of at most 64 MiB/],
      [{ awslogs: { data: bomb } }, /no gzip of at most 64 MiB/],
      [{ awslogs: { data: nested.toString("base64") } }, /another form/],
      [{ awslogs: { data: gzipSync("[]").toString("base64") } }, /another form/],
      [busEvent("vault.prod", "Other", {}), /detail-type must be VaultAuditLine or VaultAuditLines/],
      [busEvent("vault.prod", "VaultAuditLines", { lines: LINE }), /must have lines, a list/],
      [busEvent("aws.s3", "Object Created", { bucket: {} }), /names no object/],
      [notification("logs", "%zz"), /key that is not encoded/],
    ] as const) {
      const parsed = parseEnvelope(event);
      assert.ok(parsed.kind === "foreign", JSON.stringify(parsed).slice(0, 200));
      assert.match(parsed.because, because);
    }
  });
});
