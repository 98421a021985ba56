import assert from "node:assert/strict";
import { it } from "node:test";
import { messageRouter } from "../../../lib/embedded/message-router.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { aKey } from "../../builders.ts";

const KEYS: WorkMessage = { kind: "keys", keys: [aKey("a")], lane: "now", at: 1 };
const SWEEP: WorkMessage = { kind: "token-sweep", cluster: "east", at: 2 };
const PROBE: WorkMessage = { kind: "probe", circuit: "cluster:east", at: 3 };

it("one process works on keys, sweeps tokens, and looks for due probes without being asked", async () => {
  const [sent, noted]: [WorkMessage[], WorkMessage[]] = [[], []];
  const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
  const sweeps = { note: (messages: readonly WorkMessage[]) => void noted.push(...messages) };
  await messageRouter(queue, sweeps).send([SWEEP, KEYS, PROBE]);
  assert.deepEqual([sent, noted], [[KEYS], [SWEEP]]);
});
