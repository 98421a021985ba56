import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemDeadline as withDeadline } from "../../../lib/clock.ts";
import { outbox, type Unsent } from "../../../lib/domain-events/outbox.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import type { EventSink } from "../../../lib/ports/domain-events.ts";
import type { DomainEvent } from "../../../lib/ports/rows.ts";
import { aKey } from "../../builders.ts";
import { counting } from "../aws/records.ts";

const NOW = Date.UTC(2030, 0, 1);
const LATER = () => AbortSignal.timeout(10_000);

function events(count: number, key: SyncKey = aKey()): readonly Unsent[] {
  return Array.from({ length: count }, (_, n) => ({
    key,
    event: { id: `${key} ${n}`, kind: "SecretSynced", at: NOW, detail: {} },
  }));
}

function opened(send: EventSink["send"]) {
  const cleared: string[] = [];
  const lines: string[] = [];
  const metrics = counting();
  const line = (event: string, fields: object = {}) => void lines.push(`${event} ${JSON.stringify(fields)}`);
  const log = { debug: line, info: line, warn: line, error: line };
  const clearUnsent = async (_key: SyncKey, ids: readonly string[]) => void cleared.push(...ids);
  const clearCircuitEvents = async (sent: readonly Pick<DomainEvent, "id">[]) =>
    void cleared.push(...sent.map(({ id }) => id));
  const box = outbox({
    sink: { send },
    leases: { clearUnsent, clearCircuitEvents },
    clock: () => NOW,
    withDeadline,
    log,
    metrics,
  });
  return { box, cleared, lines };
}

describe("the outbox of domain events", () => {
  it("takes what finds room while the sink is slow, tells of the rest once, and never waits", async () => {
    const gate = Promise.withResolvers<void>();
    const { box, cleared, lines } = opened(async (sent) => {
      await gate.promise;
      return new Set(sent.map(({ id }) => id));
    });
    const all = events(6_000);
    for (const one of all) box.offer([one]);
    await box.flushed(AbortSignal.timeout(1));
    assert.deepEqual([cleared.length, lines.length], [0, 0]);
    gate.resolve();
    await box.flushed(LATER());
    assert.equal(cleared.length, 5_000);
    assert.deepEqual(
      lines.map((text) => text.split(",")[0]),
      ['domain-events-deferred {"events":1000'],
    );
    assert.equal(box.wasSent(all[4_999]?.event.id ?? ""), true);
    assert.equal(box.wasSent(all[5_999]?.event.id ?? ""), false);
  });

  it("gives the sink no more than a hundred at once", async () => {
    const sizes: number[] = [];
    const { box } = opened(async (sent) => {
      sizes.push(sent.length);
      return new Set(sent.map(({ id }) => id));
    });
    box.offer(events(250));
    await box.flushed(LATER());
    assert.deepEqual(sizes, [100, 100, 50]);
    assert.equal(await box.deliver([]), 0);
    assert.equal(sizes.length, 3, "nothing is not sent");
  });

  it("remembers the last 5,000 that were sent", async () => {
    const { box } = opened(async (sent) => new Set(sent.map(({ id }) => id)));
    await box.deliver(events(5_001));
    const ids = [0, 1, 5_000].map((n) => box.wasSent(`${aKey()} ${n}`));
    assert.deepEqual(ids, [false, true, true]);
  });

  it("waits for nothing when nothing is on its way, or when it is asked not to", async () => {
    const { box } = opened(() => new Promise(() => undefined));
    await box.flushed(LATER());
    box.offer(events(1));
    await box.flushed(AbortSignal.abort());
  });

  it("clears a row's events together, and only those that were accepted", async () => {
    const { box, cleared } = opened(async (sent) => new Set(sent.slice(1).map(({ id }) => id)));
    assert.equal(await box.deliver([...events(3), ...events(2, aKey("web"))]), 1);
    assert.deepEqual(cleared, [`${aKey()} 1`, `${aKey()} 2`, `${aKey("web")} 0`, `${aKey("web")} 1`]);
  });

  it("outlives a sink that fails, by a code or by a bug", async () => {
    for (const error of [new SyncError("EVENTS_NOT_ACCEPTED", "the receiver is away"), new TypeError("a value")]) {
      const { box, cleared, lines } = opened(async () => Promise.reject(error));
      box.offer(events(2));
      await box.flushed(LATER());
      assert.deepEqual([cleared, box.isWaiting(`${aKey()} 0`)], [[], false]);
      assert.match(lines.join(), /^domain-events-not-sent /);
      assert.doesNotMatch(lines.join(), /a value/);
      box.offer(events(1));
      await box.flushed(LATER());
      assert.equal(lines.length, 2, "it works on");
    }
  });

  it("takes an id of which a sink says that it was accepted, and which it was not given, for nothing", async () => {
    const { box, cleared } = opened(async () => new Set(["another"]));
    assert.equal(await box.deliver(events(1)), 1);
    assert.deepEqual(cleared, []);
  });
});
