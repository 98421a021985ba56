import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { keysOf, parseWork, workBody } from "../../../lib/aws/envelopes.ts";
import { workRecord } from "../../../lib/aws/work-record.ts";
import { MINUTE_MS } from "../../../lib/clock.ts";
import type { Look } from "../../../lib/ports/look-up.ts";
import type { KeysMessage, WorkMessage } from "../../../lib/ports/queue.ts";
import { aKey } from "../../builders.ts";
import { aDeadline, aRecord, counting, QUIET, sending } from "./records.ts";

const NOW = Date.UTC(2030, 0, 1);
const MESSAGE: KeysMessage = { kind: "keys", keys: [aKey("a"), aKey("b")], lane: "refresh", at: NOW };

function aWorker(failing: readonly string[] = []) {
  const queue = sending();
  const metrics = counting();
  const handled: WorkMessage[] = [];
  const dead: string[] = [];
  const deps = {
    handle: async (message: WorkMessage) => {
      handled.push(message);
      const failed = keysOf(message).filter((key) => failing.includes(key));
      return { failed: failed.map((key) => ({ key, error: new Error("bug") })) };
    },
    queue,
    deadLetters: async (body: string) => void dead.push(body),
    clock: () => NOW,
    log: QUIET,
    metrics,
  };
  return { deps, queue, handled, dead, counts: metrics.counts };
}

const PLACE = { where: "path", path: "ns1/kv/ä %2f", at: 3, found: ["0a1b2c3d"] } as const;
const LOOKS: readonly Look[] = [
  { kind: "places", places: [PLACE, { ...PLACE, version: 4, forget: true, lease: true, found: "many" }], since: 5 },
  { kind: "sweep", reason: "event" },
  { kind: "sweep", reason: "offset-gone", after: '["a"]' },
  { kind: "rows", keys: [aKey("a")], lease: true },
  { kind: "denied" },
];

describe("a message of a lane", () => {
  it("is worked on", async () => {
    const { deps, handled, queue } = aWorker();
    await workRecord(deps, aRecord(workBody(MESSAGE)), aDeadline());
    assert.deepEqual([handled, queue.sent], [[MESSAGE], []]);
  });

  it("may ask for tokens to be looked through, of one cluster or of all", async () => {
    const { deps, handled, dead } = aWorker();
    const messages: WorkMessage[] = [{ cluster: "east" }, {}].map((which) => ({
      kind: "token-sweep",
      at: NOW,
      ...which,
    }));
    for (const message of messages) await workRecord(deps, aRecord(workBody(message), 2), aDeadline());
    assert.deepEqual([handled, dead], [messages, []]);
    const wrong = JSON.stringify({ v: 1, keys: [], lane: "now", at: NOW, tokens: { cluster: "" } });
    await workRecord(deps, aRecord(wrong), aDeadline());
    assert.deepEqual([handled.length, dead], [2, [wrong]]);
  });

  for (const [what, at] of [
    ["lies further ahead than any of ours", NOW + 61 * MINUTE_MS],
    ["has a time that no clock shows", Number.MAX_SAFE_INTEGER],
  ] as const) {
    it(`is a dead letter when it ${what}: it would be sent on for ever`, async () => {
      const { deps, handled, queue, dead, counts } = aWorker();
      await workRecord(deps, aRecord(workBody({ ...MESSAGE, at })), aDeadline());
      assert.deepEqual([handled, queue.sent, dead.length], [[], [], 1]);
      assert.equal(counts.keyferry_messages_refused_total, 1);
    });
  }

  for (const wrong of [
    { keys: ["a/b/c"] },
    { at: 1e300 },
    { at: -1 },
    { at: "now" },
    { lane: "other" },
    { keys: Array(101).fill(aKey("a")) },
    { keys: ["k".repeat(2_000)] },
    { surplus: true },
  ]) {
    it(`is a dead letter when it says ${JSON.stringify(wrong).slice(0, 40)}`, async () => {
      const { deps, handled, dead } = aWorker();
      const body = JSON.stringify({ ...JSON.parse(workBody(MESSAGE)), ...wrong });
      await workRecord(deps, aRecord(body), aDeadline());
      assert.deepEqual([handled, dead], [[], [body]]);
    });
  }

  it("comes again when one of its keys failed", async () => {
    const { deps } = aWorker([aKey("b")]);
    await assert.rejects(workRecord(deps, aRecord(workBody(MESSAGE)), aDeadline()), /1 of 2 keys failed/);
  });

  it("lease-table 15: is split into single keys when it comes a second time", async () => {
    const { deps, handled, queue, counts } = aWorker();
    await workRecord(deps, aRecord(workBody(MESSAGE), 2), aDeadline());
    assert.deepEqual(handled, []);
    assert.deepEqual(queue.sent, [
      { ...MESSAGE, keys: [aKey("a")] },
      { ...MESSAGE, keys: [aKey("b")] },
    ]);
    assert.equal(counts.keyferry_messages_split_total, 1);
  });

  it("lease-table 15: of a single key is worked on however often it comes: the queue itself ends that", async () => {
    const { deps, handled } = aWorker();
    const single = { ...MESSAGE, keys: [aKey("a")] };
    await workRecord(deps, aRecord(workBody(single), 3), aDeadline());
    assert.deepEqual(handled, [single]);
  });

  it("lease-table 13: is sent on when its time is further off than a queue can delay", async () => {
    const { deps, handled, queue } = aWorker();
    const later = { ...MESSAGE, at: NOW + MINUTE_MS };
    await workRecord(deps, aRecord(workBody(later)), aDeadline());
    assert.deepEqual([handled, queue.sent], [[], [later]]);
  });

  it("is handed back unread when no time is left for it", async () => {
    const { deps, handled, queue } = aWorker();
    await workRecord(deps, aRecord(workBody(MESSAGE)), aDeadline(true));
    assert.deepEqual([handled, queue.sent], [[], [MESSAGE]]);
  });

  it("lease-table 16: may ask for the probe of a circuit", async () => {
    const { deps, handled } = aWorker();
    const probe: WorkMessage = { kind: "probe", circuit: "cluster:east", at: NOW };
    await workRecord(deps, aRecord(workBody(probe), 2), aDeadline());
    assert.deepEqual(handled, [probe]);
  });

  const keys = [aKey("a"), aKey("b")];
  const written: readonly (readonly [string, WorkMessage])[] = [
    [`{"v":1,"lane":"refresh","at":7,"keys":${JSON.stringify(keys)}}`, { kind: "keys", keys, lane: "refresh", at: 7 }],
    ['{"v":1,"lane":"now","at":7,"keys":[],"probe":"cluster:east"}', { kind: "probe", circuit: "cluster:east", at: 7 }],
    [
      '{"v":1,"lane":"now","at":7,"keys":[],"tokens":{"cluster":"east"}}',
      { kind: "token-sweep", cluster: "east", at: 7 },
    ],
    ['{"v":1,"lane":"now","at":7,"keys":[],"tokens":{}}', { kind: "token-sweep", at: 7 }],
    ...LOOKS.map(
      (look) =>
        [
          `{"v":1,"lane":"now","at":7,"keys":[],"kind":"look-up","vault":"main","look":${JSON.stringify(look)}}`,
          { kind: "look-up", vault: "main", look, at: 7 },
        ] as const,
    ),
  ];
  for (const [body, message] of written) {
    it(`is read and written as the first version does, so that a deploy loses none: ${body.slice(0, 60)}`, () => {
      assert.deepEqual(parseWork(body), message);
      assert.equal(workBody(message), body);
    });
  }

  const foreign = [
    "",
    "<html>",
    "null",
    "{}",
    '{"v":2,"lane":"now","at":1,"keys":[]}',
    '{"v":1,"lane":"later","at":1,"keys":[]}',
    '{"v":1,"lane":"now","at":1,"keys":["no key"]}',
    '{"v":1,"lane":"now","at":1,"keys":[],"data":{"password":"x"}}',
    '{"v":1,"lane":"now","at":1,"keys":[],"probe":"cluster:east","tokens":{}}',
    '{"v":1,"lane":"now","at":1,"keys":[],"kind":"look-up","vault":"main","look":{"kind":"other"}}',
    '{"v":1,"lane":"now","at":1,"keys":[],"kind":"look-up","vault":"","look":{"kind":"denied"}}',
    '{"v":1,"lane":"now","at":1,"keys":[],"kind":"look-up","vault":"main","look":{"kind":"rows","keys":["no key"]}}',
    '{"v":1,"lane":"now","at":1,"keys":[],"kind":"look-up","vault":"main","look":{"kind":"sweep","reason":"bored"}}',
    `{"v":1,"lane":"now","at":1,"keys":["${aKey("a")}"],"probe":"cluster:east"}`,
    JSON.stringify({ v: 1, lane: "now", at: 1, keys: Array.from({ length: 101 }, (_, n) => aKey(`n${n}`)) }),
  ];
  for (const body of foreign) {
    it(`that is not ours goes to the dead letters at once: ${body.slice(0, 60)}`, async () => {
      const { deps, handled, dead, counts } = aWorker();
      await workRecord(deps, aRecord(body), aDeadline());
      assert.deepEqual([handled, dead], [[], [body]]);
      assert.equal(counts.keyferry_messages_refused_total, 1);
    });
  }

  it("that is not ours comes again while the dead letters can't be reached", async () => {
    const { deps } = aWorker();
    const deadLetters = async (): Promise<void> => {
      throw new Error("unreachable");
    };
    await assert.rejects(workRecord({ ...deps, deadLetters }, aRecord("{}"), aDeadline()), /unreachable/);
  });
});
