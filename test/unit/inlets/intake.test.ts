import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type IntakeLimits, intake } from "../../../lib/inlets/intake.ts";
import { sinkOf } from "../../../lib/inlets/sink.ts";
import { NO_ANSWER, type RecordedDeps, type RecordingInlet, recordedDeps, recordingInlet, until } from "./recorder.ts";

const HOUR_MS = 3_600_000;
const lines = (...texts: readonly string[]) => ({ lines: texts, tooLong: 0 });

describe("lines in memory", () => {
  let deps: RecordedDeps;
  let inlet: RecordingInlet;
  let stop: AbortController;
  let done: Promise<void>;

  function start(limits: Partial<IntakeLimits> = {}) {
    const all = { characters: 100_000, batchLines: 1_000, batchCharacters: 10_000, ...limits };
    const one = intake(deps, sinkOf(inlet, "tcp", deps), all);
    done = one.run(stop.signal);
    return one;
  }

  beforeEach(() => {
    deps = recordedDeps();
    inlet = recordingInlet();
    stop = new AbortController();
  });
  afterEach(async () => {
    stop.abort();
    await done;
  });

  it("are passed on in their order, in batches", async () => {
    const one = start({ batchLines: 3 });
    const texts = Array.from({ length: 100 }, (_, at) => `${at}`);
    for (const text of texts) one.put(lines(text));
    await until("all lines", () => inlet.lines.length === 100);
    assert.deepEqual(inlet.lines, texts);
    assert.ok(Math.max(...inlet.calls) <= 3);
    assert.deepEqual(one.counts(), { waiting: 0, dropped: 0 });
  });

  it("are dropped when there is no room, and the syncs are swept before the next ones", async () => {
    inlet.failure = NO_ANSWER;
    const one = start({ characters: 1_000 });
    for (let at = 0; at < 100; at++) one.put(lines("x".repeat(100)));
    const { dropped } = one.counts();
    assert.ok(dropped >= 90 && dropped < 100, `${dropped}`);
    assert.equal(deps.counts.get("keyferry_inlet_dropped_lines_total main tcp"), dropped);
    assert.equal(deps.events.filter(({ event }) => event === "audit-lines-dropped").length, 1);
    inlet.failure = undefined;
    await until("the rest", () => inlet.lines.length === 100 - dropped);
    assert.deepEqual(inlet.reasons, ["overflow"]);
    one.put(lines("after"));
    await until("a line after it", () => inlet.lines.at(-1) === "after");
  });

  it("may be missing many times: told at once, then at most once a minute, and never forgotten", async () => {
    const one = start();
    const startedAt = deps.now;
    one.missed("reconnected");
    await until("a sweep", () => inlet.reasons.length === 1);
    for (let times = 0; times < 10; times++) one.missed("reconnected");
    one.put(lines("a"));
    await until("the line", () => inlet.lines.length === 1);
    assert.equal(inlet.reasons.length, 1);
    await until("another sweep", () => inlet.reasons.length === 2);
    assert.ok(deps.now - startedAt >= 60_000, `${deps.now - startedAt}`);
  });

  it("that are missing are told of within a minute, also when the clock has stepped back by an hour", async () => {
    const one = start();
    one.missed("reconnected");
    await until("a sweep", () => inlet.reasons.length === 1);
    deps.now -= HOUR_MS;
    const startedAt = deps.now;
    one.missed("reconnected");
    await until("another sweep", () => inlet.reasons.length === 2);
    assert.ok(deps.now - startedAt <= 61_000, `${deps.now - startedAt}`);
  });

  it("wait for an inlet that fails", async () => {
    inlet.failure = NO_ANSWER;
    const one = start();
    one.put(lines("a"));
    await until("an attempt", () => deps.events.some(({ event }) => event === "inlet-failed"));
    one.put(lines("b"));
    inlet.failure = undefined;
    await until("both", () => inlet.lines.length === 2);
    assert.deepEqual(inlet.lines, ["a", "b"]);
  });

  it("are counted as bad when they are too long", async () => {
    const one = start();
    one.put({ lines: [], tooLong: 2 });
    await until("the count", () => deps.counts.get("keyferry_inlet_bad_lines_total main tcp") === 2);
  });
});
