import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { SECOND_MS } from "../../../lib/clock.ts";
import type { Due } from "../../../lib/ports/store.ts";
import { MAX_KEYS, messagesFor } from "../../../lib/schedule/messages.ts";
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
});
