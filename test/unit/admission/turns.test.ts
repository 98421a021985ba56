import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { turns } from "../../../lib/admission/turns.ts";

describe("the turns of reviews", () => {
  it("alternate between clusters, and let all else of the process go on between two", async () => {
    const { run } = turns(() => 0);
    const did: string[] = [];
    const all = ["a", "a", "a", "b"].map((name) => run(name, () => void did.push(name)));
    const between = setInterval(() => undefined, 0);
    setImmediate(() => did.push("other work"));
    await Promise.all(all);
    clearInterval(between);
    assert.deepEqual(did, ["a", "other work", "b", "a", "a"]);
    assert.equal(await run("b", () => "later"), "later");
  });

  it("end for a cluster that has used its time, until it has a share again, and for no other one", async () => {
    let now = 0;
    const { run } = turns(() => now);
    const work = (ms: number) => () => {
      now += ms;
      return "done";
    };
    for (let at = 0; at < 100; at++) {
      const did = await run("a", work(50));
      if (did === "spent") break;
    }
    const spentAt = now;
    assert.ok(spentAt >= 2_500 && spentAt <= 4_000, `${spentAt} ms`);
    assert.equal(await run("a", work(50)), "spent");
    assert.equal(await run("b", work(0)), "done");
    now += 1_000;
    assert.equal(await run("a", work(50)), "done", "a quarter of a second came back");
    // Of a long time, a quarter.
    let used = 0;
    for (const from = now; now < from + 100_000; now += 10) {
      if ((await run("a", work(50))) === "done") used += 50;
    }
    assert.ok(used > 20_000 && used < 30_000, `${used} ms`);
  });

  it("hand on what the work throws, and go on", async () => {
    const { run } = turns(() => 0);
    await assert.rejects(
      run("a", () => {
        throw new Error("a bug");
      }),
      /a bug/,
    );
    assert.equal(await run("a", () => 1), 1);
  });
});
