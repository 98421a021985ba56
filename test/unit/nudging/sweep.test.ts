import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resumeSweeps, sweepsOf } from "../../../lib/nudging/sweep.ts";
import type { LookUpMessage } from "../../../lib/ports/queue.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { QUIET } from "../aws/records.ts";

const START = Date.UTC(2030, 0, 1);

function aScene() {
  const scene = { now: START };
  const sent: number[] = [];
  const store = openSqliteStore({ path: ":memory:" });
  const deps = {
    leases: store,
    queue: {
      send: async (messages: readonly unknown[]) => void sent.push(...messages.map((one) => (one as LookUpMessage).at)),
    },
    clock: () => scene.now,
    log: QUIET,
    metrics: { count: () => undefined, observe: () => undefined },
  };
  return { scene, sent, store, deps, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

describe("sweeps of one Vault", () => {
  it("begin at once, and the next one a minute later, however often they are asked for", async () => {
    await using at = aScene();
    const [one, other] = [sweepsOf(at.deps, "main"), sweepsOf(at.deps, "main")];
    await one.request("event");
    at.scene.now += 10;
    for (const sweeps of [one, one, other]) await sweeps.request("event");
    // The other process can't know that the message was sent.
    assert.deepEqual(at.sent, [START, START + 60_000, START + 60_000]);
    at.scene.now = START + 200_000;
    await other.request("silent");
    assert.equal(at.sent.at(-1), START + 200_000);
  });

  it("do not wait for a time that came from a wrong clock", async () => {
    await using at = aScene();
    await at.store.moveSweep("main", undefined, START + 10 * 60_000);
    await sweepsOf(at.deps, "main").request("event");
    assert.deepEqual([at.sent, await at.store.sweepAt("main")], [[START], START]);
  });

  it("are resumed by the next process of an engine with a queue in memory, while they may not be over", async () => {
    await using at = aScene();
    await sweepsOf(at.deps, "main").request("event");
    at.scene.now += 5_000;
    await sweepsOf(at.deps, "main").request("event");
    at.sent.splice(0);
    await resumeSweeps(at.deps, ["main", "other"]);
    assert.deepEqual(at.sent.splice(0), [START + 60_000]);
    at.scene.now = START + 90_000;
    await resumeSweeps(at.deps, ["main"]);
    assert.deepEqual(at.sent.splice(0), [START + 90_000]);
  });

  it("are resumed however long keyferry was stopped, and begin anew each time", async () => {
    await using at = aScene();
    const resumedAfter = async (ms: number) => {
      at.scene.now += ms;
      at.sent.splice(0);
      await resumeSweeps(at.deps, ["main"]);
      return [...at.sent];
    };
    const ticked = (from: number | undefined, to: number) => at.store.moveDispatched("refresh", from, to);
    await sweepsOf(at.deps, "main", { lease: true }).request("event");
    await ticked(undefined, START + 2_000);
    const DAY = 24 * 60 * 60_000;
    assert.deepEqual(await resumedAfter(DAY), [START + DAY]);
    // The second process lives for a short time, too.
    await ticked(START + 2_000, START + DAY + 5_000);
    assert.deepEqual(await resumedAfter(DAY), [START + 2 * DAY]);
    await ticked(START + DAY + 5_000, START + 2 * DAY + 7 * 60_000);
    assert.deepEqual(await resumedAfter(DAY), []);
  });
});
