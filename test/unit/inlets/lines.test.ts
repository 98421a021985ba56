import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { isGzip, lineSplitter, linesOf, MAX_LINE_BYTES, NotGzip, unzipped } from "../../../lib/inlets/lines.ts";
import { BodyTooLarge } from "../../../lib/util/bounded-body.ts";

const bytes = (text: string): Buffer => Buffer.from(text);

describe("audit lines in a stream", () => {
  it("are completed by a newline, wherever the chunks end", () => {
    const text = '{"a":"ä"}\n{"b":1}\r\n\n{"c":2}';
    for (let size = 1; size <= text.length + 1; size++) {
      const splitter = lineSplitter();
      const found: string[] = [];
      const all = bytes(text);
      for (let at = 0; at < all.length; at += size) found.push(...splitter.push(all.subarray(at, at + size)).lines);
      assert.equal(splitter.pending(), 7);
      found.push(...splitter.end().lines);
      assert.deepEqual(found, ['{"a":"ä"}', '{"b":1}\r', '{"c":2}']);
    }
  });

  it("do not change when their chunk is filled again", () => {
    const splitter = lineSplitter();
    const chunk = bytes("half");
    splitter.push(chunk);
    chunk.fill(0);
    assert.deepEqual(splitter.push(bytes(" a line\n")).lines, ["half a line"]);
  });

  it("are left out and counted when they are too long, in one chunk or in several", () => {
    const long = "x".repeat(MAX_LINE_BYTES + 1);
    for (const size of [1 << 16, 1 << 24]) {
      const all = bytes(`before\n${long}\nafter\n${"x".repeat(MAX_LINE_BYTES)}\n`);
      const splitter = lineSplitter();
      let tooLong = 0;
      const found: number[] = [];
      for (let at = 0; at < all.length; at += size) {
        const got = splitter.push(all.subarray(at, at + size));
        tooLong += got.tooLong;
        found.push(...got.lines.map(({ length }) => length));
      }
      assert.deepEqual([found, tooLong, splitter.pending()], [[6, 5, MAX_LINE_BYTES], 1, 0]);
    }
  });

  it("are measured in bytes", () => {
    assert.equal(linesOf(bytes("€".repeat(MAX_LINE_BYTES / 2))).tooLong, 1);
  });

  it("may be an endless line, which takes no memory", () => {
    const splitter = lineSplitter();
    const chunk = Buffer.alloc(MAX_LINE_BYTES, "x");
    for (let times = 0; times < 100; times++) assert.deepEqual(splitter.push(chunk).lines, []);
    assert.equal(splitter.pending(), 100 * MAX_LINE_BYTES);
    assert.deepEqual(splitter.end(), { lines: [], tooLong: 1 });
  });
});

describe("a compressed body", () => {
  it("may have several members", async () => {
    const body = Buffer.concat([gzipSync("a\n"), gzipSync("b\n")]);
    assert.ok(isGzip(body));
    assert.deepEqual(linesOf(await unzipped(body)), { lines: ["a", "b"], tooLong: 0 });
  });

  it("is bounded by what it unzips to", async () => {
    await assert.rejects(unzipped(gzipSync(Buffer.alloc(1_001)), 1_000), BodyTooLarge);
    assert.equal((await unzipped(gzipSync(Buffer.alloc(1_000)), 1_000)).length, 1_000);
  });

  it("is refused when it is broken", async () => {
    await assert.rejects(unzipped(bytes("plain")), NotGzip);
    await assert.rejects(unzipped(gzipSync("a long enough text").subarray(0, 20)), NotGzip);
  });
});
