import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countedWrite, mustBeRare, writableAt } from "../../../../lib/destinations/vault/frequency.ts";
import { SyncError } from "../../../../lib/errors.ts";
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

  it("is counted from its first write on, and anew when the window is over", () => {
    assert.deepEqual(countedWrite(aPushed("db"), NOW), { wroteAt: NOW, burst: { since: NOW, count: 1 } });
    const burst = (ms: number) => countedWrite(aPushed("db", { burst: { since: NOW - ms, count: 7 } }), NOW).burst;
    assert.deepEqual(burst(WINDOW - 1), { since: NOW - WINDOW + 1, count: 8 });
    assert.deepEqual(burst(WINDOW), { since: NOW, count: 1 });
  });

  it("is twenty times in ten minutes at most: then it waits for the end of them", () => {
    const rare = (since: number, count: number) => mustBeRare(aPushed("db", { burst: { since, count } }), "kv/db", NOW);
    mustBeRare(aPushed("db"), "kv/db", NOW);
    rare(NOW - WINDOW + 1, 19);
    rare(NOW - WINDOW, 20);
    assert.throws(
      () => rare(NOW - WINDOW + 1, 20),
      (error: SyncError) => {
        assert.match(error.message, /^kv\/db was written 20 times in ten minutes/);
        return error instanceof SyncError && error.code === "NOT_CONVERGING" && error.retryAfterMs === 1;
      },
    );
  });
});
