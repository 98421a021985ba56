import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { lookUps } from "../../../lib/embedded/look-ups.ts";
import type { LookUpMessage } from "../../../lib/ports/queue.ts";

function aScene(most?: number) {
  let now = 1_000;
  const looks = lookUps(() => now, most);
  return {
    looks,
    pass: (ms: number) => {
      now += ms;
    },
    message: (vault: string, inMs = 0): LookUpMessage => ({
      ...{ kind: "look-up", vault, look: { kind: "denied" } },
      at: now + inMs,
    }),
    async due() {
      const done: LookUpMessage[] = [];
      await looks.runDue(async (message) => void done.push(message));
      return done;
    },
  };
}

describe("look-ups that wait in one process", () => {
  it("are carried out once, when their time has come", async () => {
    const { looks, message, due, pass } = aScene();
    const [soon, later] = [message("a", 10), message("b", 60_000)];
    looks.note([later, soon]);
    assert.deepEqual(await due(), []);
    pass(10);
    assert.deepEqual(await due(), [soon]);
    pass(60_000);
    assert.deepEqual([await due(), await due()], [[later], []]);
  });

  it("come again after a failure, which stops no other one", async () => {
    const { looks, message, due, pass } = aScene();
    looks.note([message("a"), message("b")]);
    const tried: string[] = [];
    const failing = looks.runDue(async ({ vault }) => {
      tried.push(vault);
      if (vault === "a") throw new Error("the table is away");
    });
    await assert.rejects(failing, /the table is away/);
    assert.deepEqual([tried, await due()], [["a", "b"], []]);
    pass(5_000);
    assert.deepEqual(
      (await due()).map(({ vault }) => vault),
      ["a"],
    );
  });

  it("give way to a sweep of their Vault when they are too many", async () => {
    const { looks, message, due, pass } = aScene(10);
    looks.note(Array.from({ length: 12 }, (_, at) => message(at % 2 === 0 ? "a" : "b", 60_000)));
    const swept = await due();
    assert.deepEqual(
      swept.map(({ vault, look }) => [vault, look.kind]),
      [
        ["a", "sweep"],
        ["b", "sweep"],
      ],
    );
    pass(60_000);
    const left = await due();
    assert.ok(left.length > 0 && left.length <= 10, `${left.length}`);
  });
});
