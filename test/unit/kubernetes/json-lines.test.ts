import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { LineTooLong, linesOf } from "../../../lib/kubernetes/json-lines.ts";

async function* chunked(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const size of sizes) {
    yield bytes.subarray(from, from + size);
    from += size;
  }
  yield bytes.subarray(from);
}

async function collect(lines: AsyncIterable<Buffer>): Promise<string[]> {
  const all: string[] = [];
  for await (const line of lines) all.push(String(line));
  return all;
}

describe("lines of a stream", () => {
  it("are the same however the stream is cut", async () => {
    const line = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("\n"));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.array(fc.nat(5)), fc.boolean(), async (lines, sizes, isClosed) => {
        const text = lines.join("\n") + (isClosed ? "\n" : "");
        assert.deepEqual(await collect(linesOf(chunked(Buffer.from(text), sizes), 1_000)), lines);
      }),
    );
  });

  it("are at most as long as allowed, also when the newline never comes", async () => {
    const read = (text: string, sizes: number[]) => collect(linesOf(chunked(Buffer.from(text), sizes), 4));
    assert.deepEqual(await read("1234\n1234", [2, 2]), ["1234", "1234"]);
    await assert.rejects(read("12345\n", []), LineTooLong);
    await assert.rejects(read("1\n12345", [3, 1, 1]), LineTooLong);
  });
});
