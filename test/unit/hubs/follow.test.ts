import assert from "node:assert/strict";
import { it } from "node:test";
import type { Fleet } from "../../../lib/fleet/fleet.ts";
import { followHubs } from "../../../lib/hubs/follow.ts";

const START = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;

it("a clock that is set back by hours puts off no pass over a hub, and none runs before its time", async () => {
  let now = START;
  const passes: number[] = [];
  const stop = new AbortController();
  const polls: (() => void)[] = [
    () => (now += 5 * MINUTE - 1),
    () => (now += 1),
    () => (now -= 180 * MINUTE),
    () => (now += MINUTE),
  ];
  await followHubs(
    {
      own: () => ({ hubs: [{ name: "main" }] }) as unknown as Fleet,
      pass: async () => {
        passes.push(now - START);
        return now + 5 * MINUTE;
      },
      isAsked: () => false,
      clock: () => now,
      log: { debug: assert.fail, info: assert.fail, warn: assert.fail, error: assert.fail },
      sleep: async () => {
        const next = polls.shift();
        if (next === undefined) stop.abort();
        else next();
      },
    },
    stop.signal,
  );
  assert.deepEqual(passes, [0, 5 * MINUTE, -175 * MINUTE]);
});
