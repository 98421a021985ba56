import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SECOND_MS } from "../../../lib/clock.ts";
import type { KeysMessage } from "../../../lib/ports/queue.ts";
import type { Due } from "../../../lib/ports/store.ts";
import { MAX_KEYS, messagesFor, sendDue, sendNow, sendTokenSweep } from "../../../lib/schedule/messages.ts";
import { aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1) + 250;

const someWork = fc
  .array(
    fc.record({
      group: fc.integer({ min: 0, max: 8 }).map((n) => `g${n}`),
      lane: fc.constantFrom("now", "refresh"),
      at: fc.integer({ min: NOW - 5_000, max: NOW + 5_000 }),
    }),
    { maxLength: 300 },
  )
  .map((list): Due[] => list.map((due, n) => ({ ...due, key: aKey(`n${n}`) })));

describe("messages", () => {
  it("carry every key once, at most 25 each, of one lane", () => {
    fc.assert(
      fc.property(someWork, (work) => {
        const messages = messagesFor(work, NOW);
        assert.deepEqual(messages.flatMap(({ keys }) => keys).toSorted(), work.map(({ key }) => key).toSorted());
        assert.ok(messages.every(({ keys }) => keys.length > 0 && keys.length <= MAX_KEYS));
        const lanes = new Map(work.map(({ key, lane }) => [key, lane]));
        assert.ok(messages.every(({ keys, lane }) => keys.every((key) => lanes.get(key) === lane)));
      }),
    );
  });

  it("lease-table 14: start when all their keys are due, less than a second late", () => {
    fc.assert(
      fc.property(someWork, (work) => {
        const times = new Map(work.map(({ key, at }) => [key, at]));
        for (const { keys, at } of messagesFor(work, NOW)) {
          for (const key of keys) {
            const late = at - Math.max(NOW, times.get(key) ?? assert.fail());
            assert.ok(late >= 0 && late < SECOND_MS, `${late} ms late`);
          }
        }
      }),
    );
  });

  it("lease-table 11: keep a group together: in one message when it fits, in as few as can be otherwise", () => {
    fc.assert(
      fc.property(someWork, (work) => {
        const groups = new Map(work.map(({ key, group }) => [key, group]));
        const messages = messagesFor(work, NOW);
        const starts = Map.groupBy(messages, ({ lane, at }) => `${lane} ${at}`);
        for (const together of starts.values()) {
          const spread = Map.groupBy(
            together.flatMap(({ keys }, index) => keys.map((key) => ({ index, group: groups.get(key) }))),
            ({ group }) => group,
          );
          for (const members of spread.values()) {
            const used = new Set(members.map(({ index }) => index)).size;
            assert.equal(used, Math.ceil(members.length / MAX_KEYS));
          }
        }
      }),
    );
  });

  it("fill up with other groups, so that few messages do", () => {
    const work = Array.from(
      { length: 100 },
      (_, n): Due => ({ key: aKey(`n${n}`), group: `g${n}`, lane: "refresh", at: NOW }),
    );
    assert.deepEqual(
      messagesFor(work, NOW).map(({ keys }) => keys.length),
      [25, 25, 25, 25],
    );
  });

  /** Groups of these sizes, due at once: the sizes of the messages. */
  const sizes = (...groups: readonly number[]): readonly number[] => {
    const work = groups.flatMap((size, group) =>
      Array.from(
        { length: size },
        (_, n): Due => ({ key: aKey(`g${group}-${n}`), group: `g${group}`, lane: "now", at: NOW }),
      ),
    );
    return messagesFor(work, NOW).map(({ keys }) => keys.length);
  };

  it("lease-table 11: begin anew with a group that does not fit beside others, and split one that fits nowhere", () => {
    assert.deepEqual(sizes(15, 10), [25]);
    assert.deepEqual(sizes(15, 11), [15, 11]);
    assert.deepEqual(sizes(20, 10, 15), [20, 25]);
    assert.deepEqual(sizes(26), [25, 1]);
    assert.deepEqual(sizes(10, 60, 10), [10, 25, 25, 20]);
    assert.deepEqual(sizes(), []);
  });

  it("lease-table 14: start now with what is due by now, and at the next whole second with the rest", () => {
    const second = Math.ceil(NOW / SECOND_MS) * SECOND_MS;
    const at = (...times: readonly number[]) =>
      messagesFor(
        times.map((time, n): Due => ({ key: aKey(`n${n}`), group: "g", lane: "now", at: time })),
        NOW,
      ).map((message) => message.at);
    assert.deepEqual(at(NOW - 5_000, NOW - 1, NOW), [NOW]);
    assert.deepEqual(at(NOW + 1, second), [second]);
    assert.deepEqual(at(second + 1), [second + SECOND_MS]);
  });

  it("are sent for one key as for many, to the lane of what is due now, and not at all for none", async () => {
    const sent: KeysMessage[][] = [];
    const queue = { send: async (messages: readonly KeysMessage[]) => void sent.push([...messages]) };
    await sendDue(queue, [], NOW);
    assert.deepEqual(sent, []);
    await sendNow(queue, { key: aKey(), at: NOW + 1 }, NOW);
    await sendDue(queue, [{ key: aKey(), group: "g", lane: "refresh", at: NOW }], NOW);
    const second = Math.ceil(NOW / SECOND_MS) * SECOND_MS;
    assert.deepEqual(sent, [
      [{ kind: "keys", keys: [aKey()], lane: "now", at: second }],
      [{ kind: "keys", keys: [aKey()], lane: "refresh", at: NOW }],
    ]);
  });

  it("ask for a sweep of tokens when running reads have ended", async () => {
    const sent: unknown[] = [];
    await sendTokenSweep({ send: async (messages) => void sent.push(...messages) }, "east", NOW);
    assert.deepEqual(sent, [{ kind: "token-sweep", cluster: "east", at: NOW + 5_000 }]);
  });
});
