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

it("who asks during a pass gets another one after it", async () => {
  const stop = new AbortController();
  const inPass = Promise.withResolvers<void>();
  const asked = [false, true, false];
  let passes = 0;
  let polls = 0;
  await followHubs(
    {
      own: () => ({ hubs: [{ name: "main" }] }) as unknown as Fleet,
      pass: async () => {
        passes += 1;
        await inPass.promise;
        return START + 5 * MINUTE;
      },
      isAsked: () => asked.shift() ?? false,
      clock: () => START,
      log: { debug: assert.fail, info: assert.fail, warn: assert.fail, error: assert.fail },
      sleep: async () => {
        polls += 1;
        if (polls === 3) inPass.resolve();
        if (polls === 6) stop.abort();
        await new Promise<void>((resolve) => setImmediate(resolve));
      },
    },
    stop.signal,
  );
  assert.equal(passes, 2);
});
