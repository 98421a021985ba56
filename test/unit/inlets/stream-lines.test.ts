import assert from "node:assert/strict";
import { PassThrough, Readable } from "node:stream";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import type { Lines } from "../../../lib/inlets/lines.ts";
import { streamLines } from "../../../lib/inlets/stream-lines.ts";

const SIGNAL = new AbortController().signal;

async function read(parts: readonly Buffer[], signal = SIGNAL) {
  const calls: Lines[] = [];
  const leftOut = await streamLines(Readable.from(parts), async (lines) => void calls.push(lines), signal);
  return { leftOut, calls, lines: calls.flatMap(({ lines }) => lines) };
}

describe("lines of a stream", () => {
  it("are those of its text, plain or gzip, in one part or byte by byte", async () => {
    const text = Buffer.from("eins\nzwölf\n\nno newline");
    for (const whole of [text, gzipSync(text), Buffer.concat([gzipSync("eins\nzw"), gzipSync("ölf\nno newline")])]) {
      for (const parts of [[whole], [...whole].map((byte) => Buffer.from([byte]))]) {
        const { lines, leftOut } = await read(parts);
        assert.deepEqual([lines, leftOut], [["eins", "zwölf", "no newline"], undefined]);
      }
    }
    assert.deepEqual((await read([])).calls, []);
  });

  it("are passed on a few MiB at a time", async () => {
    const part = Buffer.from(`${"x".repeat(1_023)}\n`.repeat(1_024));
    const { calls, lines } = await read(Array.from({ length: 10 }, () => part));
    assert.deepEqual([lines.length, calls.length], [10_240, 2]);
  });

  it("end with what throws: the taker, the stream, the signal", async () => {
    const failure = new Error("no answer");
    const taker = streamLines(Readable.from([Buffer.from("a\n")]), () => Promise.reject(failure), SIGNAL);
    await assert.rejects(taker, failure);
    const broken = new PassThrough();
    broken.write(gzipSync("a\n").subarray(0, 12));
    const reading = streamLines(broken, async () => undefined, SIGNAL);
    broken.destroy(failure);
    await assert.rejects(reading, failure);
    const stop = new AbortController();
    const silent = new PassThrough();
    silent.write(Buffer.from("a\n"));
    const stopped = streamLines(silent, async () => undefined, stop.signal);
    stop.abort(failure);
    await assert.rejects(stopped, failure);
    assert.equal(silent.destroyed, true);
  });
});
