import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BodyTooLarge, boundedBody, sizeText } from "../../../lib/util/bounded-body.ts";
import { jsonExcess } from "../../../lib/util/json-bounds.ts";

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

describe("JSON that is parsed at all", () => {
  it("nests no deeper than allowed, whatever its texts hold", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(6), (value, depth) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const isRefused = jsonExcess(bytes, { depth, values: 1_000_000 }) !== undefined;
        assert.equal(isRefused, depthOf(value) > depth);
      }),
    );
  });

  it("has no more values than allowed", () => {
    const list = Buffer.from(JSON.stringify(Array.from({ length: 100 }, () => ["a,b", { c: 1 }])));
    assert.equal(jsonExcess(list, { depth: 9, values: 1_000 }), undefined);
    assert.match(jsonExcess(list, { depth: 9, values: 300 }) ?? "", /more than 300 values/);
  });

  it("need not be JSON to be judged", () => {
    for (const text of ["", '"', '"\\', "]]]]", '{"a', "\u0000"])
      assert.equal(jsonExcess(Buffer.from(text), { depth: 1, values: 9 }), undefined);
  });
});

describe("a body", () => {
  async function* chunks(count: number, given: { taken: number }): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < count; at++) {
      given.taken += 1;
      yield Buffer.alloc(10, at);
    }
  }

  it("is read to its end, or given up as soon as it is too long", async () => {
    const given = { taken: 0 };
    assert.equal((await boundedBody(chunks(3, given), 30)).byteLength, 30);
    assert.equal((await boundedBody(chunks(0, given), 30)).byteLength, 0);
    given.taken = 0;
    await assert.rejects(boundedBody(chunks(1_000, given), 30), BodyTooLarge);
    assert.equal(given.taken, 4);
  });

  it("has its limit said in words", () => {
    assert.deepEqual([sizeText(4 * 1024 * 1024), sizeText(256 * 1024)], ["4 MiB", "256 KiB"]);
  });
});
