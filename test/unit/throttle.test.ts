import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { HOUR_MS, SECOND_MS } from "../../lib/clock.ts";
import { type Throttled, throttle } from "../../lib/throttle.ts";

const forever = new AbortController().signal;

class Refused extends Error {
  readonly leftMs: number;
  constructor(leftMs: number) {
    super("refused");
    this.leftMs = leftMs;
  }
}

/** A server with a time that only the test moves; `says`: the pause in its answers, or undefined. */
function scene(t: TestContext, limits: { readonly maxWaiting?: number; readonly maxKept?: number } = {}) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  const { maxWaiting = 32, maxKept = 10 } = limits;
  const held = throttle({ clock: Date.now, patienceMs: 2 * SECOND_MS, maxWaiting, maxKept });
  const server = { sent: 0, running: 0, most: 0, says: undefined as number | undefined };
  const request = (takesMs: number, repeatable: boolean): Throttled<number | undefined> => ({
    async send() {
      server.sent += 1;
      server.running += 1;
      server.most = Math.max(server.most, server.running);
      const { says } = server;
      if (takesMs > 0) await new Promise((resolve) => setTimeout(resolve, takesMs));
      server.running -= 1;
      return says;
    },
    repeatable,
    pauseOf: (answer) => answer,
    paused: (_, leftMs) => leftMs,
    refused: (leftMs) => new Refused(leftMs),
  });
  return {
    server,
    held,
    ask: ({ takesMs = 0, name = "one", repeatable = true, signal = forever } = {}) =>
      held.run(name, request(takesMs, repeatable), signal),
    async pass(ms: number, stepMs = 50) {
      for (let left = ms; left > 0; left -= stepMs) {
        await new Promise((resolve) => setImmediate(resolve));
        t.mock.timers.tick(Math.min(left, stepMs));
      }
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("a server that asks for a pause", () => {
  it("gets no request until its end: later ones fail at once, with what is left of it", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = 30 * SECOND_MS;
    assert.equal(await ask(), 30 * SECOND_MS);
    await pass(10 * SECOND_MS);
    for (let at = 0; at < 100; at++) {
      await assert.rejects(ask(), (error) => error instanceof Refused && error.leftMs === 20 * SECOND_MS);
    }
    assert.equal(server.sent, 1);
    server.says = undefined;
    await pass(20 * SECOND_MS);
    assert.equal(await ask(), undefined);
    assert.equal(server.sent, 2);
  });

  it("is asked again when the clock stepped back", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = 30 * SECOND_MS;
    await ask();
    server.says = undefined;
    await pass(SECOND_MS);
    t.mock.timers.setTime(500_000);
    assert.equal(await ask(), undefined);
    assert.equal(server.sent, 2);
  });

  it("is asked again within the same call after a short pause, and only if that does no harm", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = SECOND_MS;
    const waits = ask();
    await pass(500);
    server.says = undefined;
    await pass(1_000);
    assert.equal(await waits, undefined);
    assert.equal(server.sent, 2);
    server.says = SECOND_MS;
    assert.equal(await ask({ name: "two", repeatable: false }), SECOND_MS);
    assert.equal(server.sent, 3);
  });

  it("gets one request at first and one more with each answer", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = SECOND_MS;
    const all = [ask({ takesMs: 1 })];
    await pass(100);
    server.says = undefined;
    server.most = 0;
    for (let at = 0; at < 20; at++) all.push(ask({ takesMs: 100 }));
    await pass(950);
    assert.equal(server.most, 1);
    await pass(200);
    assert.ok(server.most <= 4, `${server.most}`);
    await pass(1_000);
    await Promise.allSettled(all);
    assert.ok(server.most > 4 && server.most < 20, `${server.most}`);
  });

  it("that refuses whatever it says costs a request for each pause, and these grow", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = SECOND_MS;
    const asking: Promise<unknown>[] = [];
    for (let second = 0; second < 600; second += 2) {
      for (let at = 0; at < 5; at++) asking.push(ask().catch(() => undefined));
      await pass(2 * SECOND_MS, SECOND_MS);
    }
    await pass(5 * SECOND_MS);
    await Promise.all(asking);
    // 1, 2, 4, 8, 16 s, and 30 s from then on.
    assert.ok(server.sent >= 20 && server.sent <= 30, `${server.sent} requests in ten minutes`);
  });

  it("that names no pause gets one that doubles", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = 0;
    const pauses: unknown[] = [];
    for (let at = 0; at < 7; at++) {
      pauses.push(await ask({ repeatable: false }));
      await pass(30 * SECOND_MS);
    }
    assert.deepEqual(
      pauses,
      [1, 2, 4, 8, 16, 30, 30].map((seconds) => seconds * SECOND_MS),
    );
  });

  it("counts once for requests that were under way together", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = 3 * SECOND_MS;
    const all = Array.from({ length: 16 }, (_, at) => ask({ takesMs: 10 + at * 10 }));
    await pass(500);
    assert.ok((await Promise.all(all)).every((left) => left !== undefined && left <= 3 * SECOND_MS + 200));
  });

  it("delays no other server", async (t) => {
    const { server, ask } = scene(t);
    server.says = HOUR_MS;
    await ask();
    server.says = undefined;
    assert.equal(await ask({ name: "two" }), undefined);
    await assert.rejects(ask(), Refused);
  });

  it("has so many requests waiting, and more fail at once", async (t) => {
    const { server, ask, pass } = scene(t, { maxWaiting: 3 });
    server.says = SECOND_MS;
    const first = ask({ repeatable: false });
    await pass(50);
    await first;
    server.says = undefined;
    const waiting = [ask(), ask(), ask()];
    await assert.rejects(ask(), Refused);
    await pass(2_000);
    await Promise.all(waiting);
    assert.equal(server.sent, 4);
  });

  it("is left alone by a caller that gives up", async (t) => {
    const { server, ask, pass } = scene(t);
    server.says = SECOND_MS;
    await ask({ repeatable: false });
    const gaveUp = new AbortController();
    const waits = ask({ signal: gaveUp.signal });
    await pass(100);
    gaveUp.abort(new Error("over"));
    await assert.rejects(waits, /over/);
    await pass(5_000);
    assert.equal(server.sent, 1);
  });

  it("is forgotten with its cluster, and when there are too many", async (t) => {
    const { server, ask, held } = scene(t, { maxKept: 2 });
    server.says = HOUR_MS;
    for (const name of ["a", "b", "c"]) await ask({ name });
    server.says = undefined;
    assert.equal(await ask({ name: "a" }), undefined);
    await assert.rejects(ask({ name: "c" }), Refused);
    held.forget("c");
    assert.equal(await ask({ name: "c" }), undefined);
  });
});
