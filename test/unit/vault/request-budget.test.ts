import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { requestBudget } from "../../../lib/vault/request-budget.ts";

const forever = new AbortController().signal;

function scene(t: TestContext, perSecond: number) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const budget = requestBudget(Date.now);
  const limit = { name: "main", perSecond };
  const sent: string[] = [];
  const refused: number[] = [];
  return {
    sent,
    refused,
    charge: () => budget.charge(limit),
    take: (place: string, signal = forever) =>
      budget
        .take(
          place,
          limit,
          (afterMs) => {
            refused.push(afterMs);
            return new Error("refused");
          },
          signal,
        )
        .then(
          () => sent.push(place),
          () => undefined,
        ),
    async pass(ms: number) {
      for (let left = ms; left > 0; left -= 10) {
        await new Promise((resolve) => setImmediate(resolve));
        t.mock.timers.tick(10);
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("the request budget of a Vault", () => {
  it("lets the requests of one second go at once, and then one after the other", async (t) => {
    const { take, pass, sent } = scene(t, 10);
    for (let at = 0; at < 50; at++) void take("one/a");
    await pass(10);
    assert.equal(sent.length, 10);
    await pass(1_000);
    assert.ok(sent.length >= 19 && sent.length <= 21, `${sent.length}`);
    await pass(10_000);
    assert.equal(sent.length, 50);
    await pass(5_000);
    for (let at = 0; at < 20; at++) void take("one/a");
    await pass(10);
    assert.equal(sent.length, 60);
  });

  it("is open again soon after the clock stepped back", async (t) => {
    const { take, pass, sent, refused } = scene(t, 10);
    for (let at = 0; at < 30; at++) void take("one/a");
    await pass(3_000);
    t.mock.timers.setTime(500_000);
    void take("one/a");
    assert.deepEqual(refused, [10_000 - 900]);
    await pass(10_000);
    await take("one/a");
    assert.equal(sent.length, 31);
  });

  it("lets clusters alternate, and the namespaces of a cluster", async (t) => {
    const { take, pass, sent } = scene(t, 1);
    await take("one/a");
    for (const place of ["one/a", "one/a", "one/a", "one/b", "two/c", "two/c"]) void take(place);
    await pass(7_000);
    assert.deepEqual(sent.slice(1), ["one/a", "two/c", "one/b", "two/c", "one/a", "one/a"]);
  });

  it("refuses what would wait for too long, and of each place only what it has too much", async (t) => {
    const { take, pass, sent, refused } = scene(t, 2);
    for (let at = 0; at < 100; at++) void take("one/noisy");
    await pass(10);
    assert.ok(refused.length >= 80, `${refused.length} refused`);
    assert.ok(refused.every((ms) => ms > 8_000));
    const before = refused.length;
    void take("two/quiet");
    await pass(1_000);
    assert.equal(refused.length, before);
    assert.ok(sent.includes("two/quiet"));
  });

  it("counts renewals, which do not wait for it", async (t) => {
    const { take, charge, pass, sent } = scene(t, 10);
    for (let at = 0; at < 30; at++) charge();
    void take("one/a");
    await pass(1_500);
    assert.deepEqual(sent, []);
    await pass(1_000);
    assert.deepEqual(sent, ["one/a"]);
  });

  it("keeps no place for a caller that gives up", async (t) => {
    const { take, pass, sent } = scene(t, 1);
    await take("one/a");
    const gaveUp = new AbortController();
    const waits = take("one/a", gaveUp.signal);
    void take("one/b");
    gaveUp.abort(new Error("over"));
    await waits;
    await pass(1_010);
    assert.deepEqual(sent, ["one/a", "one/b"]);
  });

  it("may be less than one request a second", async (t) => {
    const { take, pass, sent } = scene(t, 0.2);
    void take("one/a");
    void take("one/a");
    await pass(4_900);
    assert.equal(sent.length, 1);
    await pass(200);
    assert.equal(sent.length, 2);
  });
});
