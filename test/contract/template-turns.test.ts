import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS } from "../../lib/clock.ts";
import { SyncError } from "../../lib/errors.ts";
import { goTemplates, type TemplateLimits } from "../../lib/templates/template-engine.ts";
import { PATIENT } from "./templates/told.ts";

const never = new AbortController().signal;

/** An endless template, and each number another one. */
function endless(number: number): string {
  return `${number}{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}`;
}

/** An engine whose clock is set by hand, and who was answered in which order. */
function scene(limits: TemplateLimits) {
  let now = 0;
  const engine = goTemplates(() => now, limits);
  const order: string[] = [];
  return {
    order,
    pass(ms: number): void {
      now += ms;
    },
    /** The text, or why there is none. */
    async render(place: string, text: string, signal = never): Promise<string> {
      const input = { secrets: {}, metadata: {}, annotations: {}, labels: {} };
      const one = { templates: [{ name: "t", key: "k", text }], includes: [], excludes: [], input };
      try {
        const { outputs } = await engine.render(one, place, signal);
        return outputs.get("k")?.reveal().toString() ?? "";
      } catch (error) {
        if (error instanceof SyncError) return `${error.code}: ${error.message}`;
        throw error;
      } finally {
        order.push(place);
      }
    },
    [Symbol.asyncDispose]: () => engine.close(),
  };
}

const REFUSED = "DEADLINE_EXCEEDED: the templates were not rendered: too many slow ones of its namespace are waiting";

describe("the turns of renderings", () => {
  it("go round by namespace: one does not wait behind a hundred of another", async () => {
    await using one = scene(PATIENT);
    const greedy = Array.from({ length: 100 }, (_, at) => one.render("east/greedy", `${at}`));
    assert.equal(await one.render("east/shop", "victim"), "victim");
    assert.ok(one.order.indexOf("east/shop") <= 2, one.order.join(" "));
    assert.deepEqual(await Promise.all(greedy), Object.keys(greedy));
  });

  it("go round by cluster: one with many namespaces has no more of them", async () => {
    await using one = scene(PATIENT);
    const greedy = Array.from({ length: 50 }, (_, at) => one.render(`west/greedy-${at}`, "x"));
    assert.equal(await one.render("east/shop", "victim"), "victim");
    assert.ok(one.order.indexOf("east/shop") <= 2, one.order.join(" "));
    await Promise.all(greedy);
  });

  it("are not taken by one that gave up in the line", async () => {
    await using one = scene(PATIENT);
    const stop = new AbortController();
    const first = one.render("east/shop", "first");
    const waiting = one.render("east/shop", "waiting", stop.signal);
    const last = one.render("east/shop", "last");
    stop.abort();
    assert.equal(await waiting, "DEADLINE_EXCEEDED: the templates were not rendered: keyferry ran out of time");
    assert.deepEqual(await Promise.all([first, last]), ["first", "last"]);
  });
});

describe("a namespace with ever new templates that never end", () => {
  it("has two of them in the quick lane a minute, the others start in the slow one", async () => {
    await using one = scene({ quickMs: 2_000, slowMs: 600_000, slowAtOnce: 1 });
    const first = one.render("east/greedy", endless(1));
    assert.equal(await one.render("east/greedy", endless(2)), REFUSED);
    const stop = new AbortController();
    const behind = [endless(3), "a quick one"].map((text) => one.render("east/greedy", text, stop.signal));
    assert.equal(await one.render("east/shop", "victim"), "victim");
    one.pass(MINUTE_MS - 1);
    behind.push(one.render("east/greedy", "another", stop.signal));
    assert.equal(await one.render("east/shop", "victim"), "victim");
    one.pass(1);
    assert.equal(await one.render("east/greedy", "another"), "another");
    assert.deepEqual(one.order, ["east/greedy", "east/shop", "east/shop", "east/greedy"]);
    stop.abort();
    await Promise.all(behind);
    await one[Symbol.asyncDispose]();
    await first;
  });

  it("has its quick ones rendered there, and each other one ends after the quick lane's time", async () => {
    await using one = scene({ quickMs: 2_000, slowMs: 600_000, slowAtOnce: 0 });
    const slow = [1, 2, 3, 4].map((number) => one.render("east/greedy", endless(number)));
    const quick = Array.from({ length: 30 }, (_, at) => one.render("east/greedy", `${at}`));
    assert.deepEqual(await Promise.all(slow), [REFUSED, REFUSED, REFUSED, REFUSED]);
    assert.deepEqual(await Promise.all(quick), Object.keys(quick));
  });

  it("leaves others their places in the slow lane", async () => {
    await using one = scene({ quickMs: 1_000, slowMs: 5_000, slowAtOnce: 1 });
    const slow = ["east/greedy", "east/shop"].map((place, at) => one.render(place, endless(at)));
    const late = "TRANSFORM_FAILED: the templates take more than 5 s: perhaps one never ends";
    assert.deepEqual(await Promise.all(slow), [late, late]);
  });
});
