import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { tokenSweeps } from "../../../lib/embedded/token-sweeps.ts";
import type { TokenSweepMessage } from "../../../lib/ports/queue.ts";
import { TOKEN_SWEEP_MS } from "../../../lib/schedule/passes-due.ts";

const DAY_MS = 24 * 3_600_000;

function aScene() {
  let now = 1_000;
  const swept: (string | undefined)[] = [];
  const sweeps = tokenSweeps(() => now);
  return {
    sweeps,
    pass: (ms: number) => {
      now += ms;
    },
    message: (cluster: string, inMs = 0): TokenSweepMessage => ({
      kind: "token-sweep",
      cluster,
      at: now + inMs,
    }),
    sweepDue: async () => {
      await sweeps.sweepDue(async (cluster) => void swept.push(cluster));
      return swept.splice(0);
    },
  };
}

describe("sweeps of tokens in one process", () => {
  it("look through all at the start, and every ten minutes", async () => {
    const { sweepDue, pass } = aScene();
    assert.deepEqual(await sweepDue(), [undefined]);
    pass(TOKEN_SWEEP_MS - 1);
    assert.deepEqual(await sweepDue(), []);
    pass(1);
    assert.deepEqual(await sweepDue(), [undefined]);
  });

  it("look through a cluster once its time has come, however often it was asked for", async () => {
    const { sweeps, sweepDue, pass, message } = aScene();
    await sweepDue();
    sweeps.note([message("east", 5_000), message("east", 3_000), message("west", 9_000)]);
    assert.deepEqual(await sweepDue(), []);
    pass(3_000);
    assert.deepEqual(await sweepDue(), ["east"]);
    pass(6_000);
    assert.deepEqual(await sweepDue(), ["west"]);
    assert.deepEqual(await sweepDue(), []);
  });

  it("come no later than as often as ever when the clock steps back by a day", async () => {
    const { sweeps, sweepDue, pass, message } = aScene();
    pass(2 * DAY_MS);
    await sweepDue();
    sweeps.note([message("east", 5_000)]);
    pass(-DAY_MS);
    assert.deepEqual(await sweepDue(), [undefined, "east"]);
    assert.deepEqual(await sweepDue(), []);
  });

  it("come again when they fail, and when they were asked for meanwhile", async () => {
    const { sweeps, sweepDue, pass, message } = aScene();
    await sweepDue();
    sweeps.note([message("east")]);
    await assert.rejects(
      sweeps.sweepDue(async () => Promise.reject(new Error("no store"))),
      /no store/,
    );
    assert.deepEqual(await sweepDue(), ["east"]);
    sweeps.note([message("east")]);
    await sweeps.sweepDue(async () => {
      sweeps.note([message("east", 1)]);
    });
    pass(1);
    assert.deepEqual(await sweepDue(), ["east"]);
    assert.deepEqual(await sweepDue(), []);
  });
});
