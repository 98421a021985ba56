import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, it } from "node:test";
import { lastGuard } from "../../../lib/telemetry/last-guard.ts";

describe("the last guard of a process", () => {
  const guarded = () => {
    const lines: (readonly [string, unknown])[] = [];
    const line = (event: string, fields?: unknown) => void lines.push([event, fields]);
    const counts: string[] = [];
    const process = new EventEmitter();
    let ended = 0;
    process.on("unhandledRejection", () => {
      ended += 1;
    });
    const guard = lastGuard(process, {
      log: { debug: line, info: line, warn: line, error: line },
      metrics: { count: (name) => void counts.push(name), observe: () => undefined },
    });
    return { process, lines, counts, guard, ended: () => ended };
  };

  it("tells a failure that went astray by its name and place, never by its words, and nobody ends the process", () => {
    const { process, lines, counts, ended } = guarded();
    for (const event of ["unhandledRejection", "uncaughtException"]) {
      process.emit(event, new TypeError("hunter2\n    at hunter2 (file:///hunter2.ts:1:1)"));
    }
    process.emit("unhandledRejection", "hunter2");
    assert.equal(ended(), 0);
    assert.deepEqual(counts, Array(3).fill("keyferry_bugs_total"));
    assert.deepEqual(
      lines.map(([event]) => event),
      Array(3).fill("failure-unhandled"),
    );
    assert.doesNotMatch(JSON.stringify(lines), /hunter2/);
    assert.match(JSON.stringify(lines[0]), /TypeError.*last-guard\.test\.ts/);
  });

  it("gives the process back as it was", () => {
    const { process, lines, guard, ended } = guarded();
    guard[Symbol.dispose]();
    process.emit("unhandledRejection", new Error("x"));
    assert.deepEqual([lines.length, ended()], [0, 1]);
  });
});
