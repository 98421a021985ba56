import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { takeEvent, takeReturned } from "../../../functions/wiring/audit-work.ts";
import { parseEnvelope, type SourceEnvelope } from "../../../lib/aws/inlet-envelopes.ts";
import { SyncError } from "../../../lib/errors.ts";
import { type AuditScene, anAudit } from "./audit-scene.ts";
import { busEvent, createdEvent, destinationBody, failuresEvent, logsEvent } from "./inlet-events.ts";

const SIGNAL = new AbortController().signal;

async function takes(scene: AuditScene, event: object): Promise<void> {
  const envelope = parseEnvelope(event);
  await takeEvent(scene, envelope as SourceEnvelope, SIGNAL);
}

async function returned(scene: AuditScene, event: object): Promise<readonly string[]> {
  const envelope = parseEnvelope(event);
  return envelope.kind === "returned" ? takeReturned(scene, envelope.records, SIGNAL) : assert.fail(envelope.kind);
}

describe("vault-audit", () => {
  it("passes the lines of a log group, a source and an object to the Vault that they belong to", async () => {
    const text = Buffer.from("c\nd\n");
    const scene = anAudit({ "logs/main/plain": text, "logs/main/zipped": gzipSync(text) });
    await takes(scene, logsEvent("/vault/main", ["a", "b\nb2"]));
    await takes(scene, busEvent("vault.main", "VaultAuditLines", { lines: ["e"] }));
    await takes(scene, createdEvent("logs", "main/plain"));
    await takes(scene, createdEvent("logs", "main/zipped"));
    assert.deepEqual(scene.taken, { main: ["a", "b", "b2", "e", "c", "d", "c", "d"] });
    assert.deepEqual([...scene.inlets], ["cloudwatchLogs", "eventBridge", "s3"]);
    assert.deepEqual([scene.missed, scene.errors], [[], []]);
  });

  it("leaves out a line that is too long, and takes the others", async () => {
    const scene = anAudit();
    await takes(scene, logsEvent("/vault/main", ["x".repeat(1_024 * 1_024 + 1), "a"]));
    assert.deepEqual(scene.taken.main, ["a"]);
  });

  it("uses no lines of an inlet that no Vault names, says which, and acknowledges them", async () => {
    const scene = anAudit();
    await takes(scene, logsEvent("/other", ["a"]));
    await takes(scene, createdEvent("logs", "elsewhere/a"));
    assert.deepEqual([scene.taken, scene.counts], [{}, { keyferry_inlet_unclaimed_total: 2 }]);
    assert.deepEqual(
      scene.errors.map(([event, { inlet }]) => [event, inlet]),
      [
        ["inlet-unclaimed", "cloudwatchLogs /other"],
        ["inlet-unclaimed", "s3 logs"],
      ],
    );
  });

  it("refuses what is no event of an inlet, and counts it for the alarm", async () => {
    const scene = anAudit();
    await takes(scene, { source: "aws.ec2" });
    assert.deepEqual([scene.taken, scene.counts], [{}, { keyferry_events_refused_total: 1 }]);
  });

  it("looks at all syncs of the Vault when an object is gone, or can't be read to its end", async () => {
    const whole = gzipSync(`first\n${"noise ".repeat(50_000)}\nlast\n`, { level: 0 });
    const scene = anAudit({
      "logs/main/cut": whole.subarray(0, whole.length - 100),
      "logs/main/bomb": gzipSync(Buffer.concat([Buffer.from("bomb\n"), Buffer.alloc(65 * 1_024 * 1_024, "a")])),
    });
    await takes(scene, createdEvent("logs", "main/gone"));
    assert.deepEqual(scene.missed, [["main", "offset-gone"]]);
    await takes(scene, createdEvent("logs", "main/cut"));
    await takes(scene, createdEvent("logs", "main/bomb"));
    assert.deepEqual(scene.missed.slice(1), [
      ["main", "overflow"],
      ["main", "overflow"],
    ]);
    assert.deepEqual([scene.taken.main?.[0], scene.taken.main?.at(-1)], ["first", "bomb"]);
    assert.deepEqual(
      scene.errors.map(([, { because }]) => because),
      ["it is gone", "it is no complete gzip", "it has more than 64 MiB"],
    );
  });

  it("fails when its table does not answer, so that the event comes again", async () => {
    const scene = anAudit();
    scene.failure = new SyncError("STORE_UNAVAILABLE", "no answer");
    await assert.rejects(takes(scene, logsEvent("/vault/main", ["a"])), scene.failure);
  });

  it("takes from the queue of failures what it could not take before, and leaves what fails again", async () => {
    const scene = anAudit();
    const bodies = [destinationBody(logsEvent("/vault/main", ["a"])), JSON.stringify(createdEvent("logs", "main/x"))];
    scene.failure = new SyncError("STORE_UNAVAILABLE", "no answer");
    assert.deepEqual(await returned(scene, failuresEvent(bodies)), ["m0"]);
    delete scene.failure;
    assert.deepEqual(await returned(scene, failuresEvent(bodies)), []);
    assert.deepEqual([scene.taken, scene.dead], [{ main: ["a"] }, []]);
  });

  it("looks at all syncs of the Vault after an event that was too old, since others may be lost", async () => {
    const scene = anAudit({ "logs/main/x": Buffer.from("b") });
    const events = [logsEvent("/vault/main", ["a"]), createdEvent("logs", "main/x")];
    const bodies = events.map((event) => destinationBody(event, "EventAgeExceeded"));
    assert.deepEqual(await returned(scene, failuresEvent(bodies)), []);
    assert.deepEqual(scene.taken, { main: ["a", "b"] });
    assert.deepEqual(scene.missed, [
      ["main", "too-old"],
      ["main", "too-old"],
    ]);
  });

  it("moves to the dead letters at once what is no event of an inlet", async () => {
    const scene = anAudit();
    const body = destinationBody({ source: "aws.ec2" });
    assert.deepEqual(await returned(scene, failuresEvent([body, "<html>"])), []);
    assert.deepEqual(scene.dead, [body, "<html>"]);
  });
});
