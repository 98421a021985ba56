import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  countedWrite,
  isTooFrequent,
  notConverging,
  parkedPath,
  writableAt,
} from "../../../../lib/destinations/vault/frequency.ts";
import { aPushed } from "../../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const WINDOW = 630_000;

describe("how often a path is written", () => {
  it("is once in 30 s, by the last write of any of a row's paths", () => {
    const at = (...wrote: readonly (number | undefined)[]) =>
      writableAt(
        wrote.map((wroteAt) => aPushed("db", wroteAt === undefined ? {} : { wroteAt })),
        NOW,
      );
    assert.deepEqual([at(), at(undefined), at(NOW - 30_000)], [undefined, undefined, undefined]);
    assert.equal(at(NOW - 29_999), NOW + 1);
    assert.equal(at(NOW - 60_000, undefined, NOW - 10_000, NOW - 20_000), NOW + 20_000);
    assert.equal(
      writableAt([aPushed("db")], 30_000),
      undefined,
      "a path that was never written, at the beginning of time",
    );
    assert.equal(writableAt([], 29_999), 30_000);
  });

  it("is not judged by times that lie ahead, from before the clock was set back", () => {
    const HOUR = 3_600_000;
    const ahead = (count: number) => aPushed("db", { wroteAt: NOW + HOUR, burst: { since: NOW + HOUR, count } });
    assert.equal(writableAt([ahead(1)], NOW), undefined);
    assert.equal(writableAt([ahead(1), aPushed("other", { wroteAt: NOW - 10_000 })], NOW), NOW + 20_000);
    assert.equal(isTooFrequent(ahead(20), "h", NOW), false);
    assert.deepEqual(countedWrite(ahead(7), NOW), { wroteAt: NOW, burst: { since: NOW, count: 1 } });
  });

  it("is counted from its first write on, and anew when the window is over", () => {
    assert.deepEqual(countedWrite(aPushed("db"), NOW), { wroteAt: NOW, burst: { since: NOW, count: 1 } });
    const burst = (ms: number) => countedWrite(aPushed("db", { burst: { since: NOW - ms, count: 7 } }), NOW).burst;
    assert.deepEqual(burst(WINDOW - 1), { since: NOW - WINDOW + 1, count: 8 });
    assert.deepEqual(burst(WINDOW), { since: NOW, count: 1 });
  });

  it("is counted anew after it was parked: only another declaration gets that far", () => {
    const parked = aPushed("db", { burst: { since: NOW - 1, count: 20, parked: "former" } });
    assert.deepEqual(countedWrite(parked, NOW).burst, { since: NOW, count: 1 });
  });

  it("is twenty times in ten minutes at most", () => {
    const isOver = (ms: number, count: number) =>
      isTooFrequent(aPushed("db", { burst: { since: NOW - ms, count } }), "h", NOW);
    assert.equal(isTooFrequent(aPushed("db"), "h", NOW), false);
    assert.deepEqual([isOver(WINDOW - 1, 19), isOver(WINDOW - 1, 20), isOver(WINDOW, 20)], [false, true, false]);
  });

  it("is never again after that by the same declaration, however much time passes", () => {
    const parked = parkedPath(aPushed("db", { version: 3, burst: { since: NOW - WINDOW, count: 20 } }), "h");
    assert.deepEqual(parked, aPushed("db", { version: 3, burst: { since: NOW - WINDOW, count: 20, parked: "h" } }));
    assert.deepEqual([isTooFrequent(parked, "h", 100 * NOW), isTooFrequent(parked, "next", NOW)], [true, false]);
    assert.deepEqual(parkedPath(aPushed("db"), "h"), aPushed("db"), "a path that was never written");
  });

  it("ends in an error that names the path and the remedy", () => {
    const { code, message } = notConverging("kv/db");
    assert.equal(code, "NOT_CONVERGING");
    assert.match(message, /^kv\/db was written 20 times in ten minutes, .*keyferry\.dev\/refresh$/);
  });
});
