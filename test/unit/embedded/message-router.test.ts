import assert from "node:assert/strict";
import { it } from "node:test";
import { messageRouter } from "../../../lib/embedded/message-router.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { aKey } from "../../builders.ts";

const KEYS: WorkMessage = { kind: "keys", keys: [aKey("a")], lane: "now", at: 1 };
const SWEEP: WorkMessage = { kind: "token-sweep", cluster: "east", at: 2 };
const PROBE: WorkMessage = { kind: "probe", circuit: "cluster:east", at: 3 };
const LOOK: WorkMessage = { kind: "look-up", vault: "main", look: { kind: "denied" }, at: 4 };

it("one process works on keys, sweeps tokens, looks rows up, and looks for due probes without being asked", async () => {
  const [sent, noted, looked]: [WorkMessage[], WorkMessage[], WorkMessage[]] = [[], [], []];
  const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
  const sweeps = { note: (messages: readonly WorkMessage[]) => void noted.push(...messages) };
  const looks = { note: async (messages: readonly WorkMessage[]) => void looked.push(...messages) };
  await messageRouter(queue, sweeps, looks).send([SWEEP, KEYS, PROBE, LOOK]);
  assert.deepEqual([sent, noted, looked], [[KEYS], [SWEEP], [LOOK]]);
});
