import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pace } from "../../../lib/kubernetes/pace.ts";

const MIB = 1024 * 1024;
const forever = new AbortController().signal;

describe("the pace at which a cluster is read", () => {
  const scene = () => {
    let now = 0;
    const slept: number[] = [];
    const one = pace(
      () => now,
      async (ms) => {
        slept.push(ms);
        now += ms;
      },
    );
    return {
      slept,
      spend: (cluster: string, bytes: number) => one.spend(cluster, bytes, forever),
      later: (ms: number) => {
        now += ms;
      },
    };
  };

  it("lets what is usual through at once", async () => {
    const { spend, slept, later } = scene();
    await spend("one", 60 * MIB);
    for (let second = 0; second < 100; second++) {
      later(1_000);
      await spend("one", 15 * MIB);
    }
    assert.deepEqual(slept, []);
  });

  it("makes a cluster wait that sends without end, and no other", async () => {
    const { spend, slept } = scene();
    for (let page = 0; page < 24; page++) await spend("endless", 8 * MIB);
    // 192 MiB: 64 at once, and the rest at 16 MiB a second.
    assert.equal(
      slept.reduce((sum, ms) => sum + ms, 0),
      8_000,
    );
    slept.length = 0;
    await spend("other", 8 * MIB);
    assert.deepEqual(slept, []);
  });

  it("is not confused by a clock that goes back", async () => {
    const { spend, slept, later } = scene();
    await spend("one", 8 * MIB);
    later(-1_000_000);
    await spend("one", 8 * MIB);
    assert.deepEqual(slept, []);
  });
});
