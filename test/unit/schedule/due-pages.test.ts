import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Due } from "../../../lib/ports/store.ts";
import { duePages } from "../../../lib/schedule/due-pages.ts";
import { aKey } from "../../builders.ts";

/** The due index of rows that are due at these times, and the sizes of pages that it was asked for. */
async function pagesOf(times: readonly number[]) {
  const all = times.map((at, n): Due => ({ key: aKey(`n${n}`), group: "g", lane: "now", at }));
  const limits: number[] = [];
  const due = async ({ after, until }: { after: number; until: number }, limit: number) => {
    limits.push(limit);
    return all.filter(({ at }) => at > after && at <= until).slice(0, limit);
  };
  const pages: (readonly Due[])[] = [];
  for await (const page of duePages({ due }, { after: 0, until: 9_999, now: 9_999 })) pages.push(page);
  return { limits, sizes: pages.map((page) => page.length), found: pages.flat().map(({ key }) => key), all };
}
const keysOf = (all: readonly Due[]) => all.map(({ key }) => key);

describe("the due index in pages", () => {
  it("is one page, asked for once, when it fits in it", async () => {
    const { limits, found, all } = await pagesOf([1, 2, 2]);
    assert.deepEqual([limits, found], [[1_000], keysOf(all)]);
    assert.deepEqual((await pagesOf([])).sizes, [0]);
  });

  it("skips and repeats nothing, and ends its pages between two instants", async () => {
    const { limits, sizes, found, all } = await pagesOf(Array.from({ length: 2_500 }, (_, n) => 1 + Math.floor(n / 3)));
    assert.deepEqual(found, keysOf(all));
    assert.deepEqual(sizes, [999, 999, 502]);
    assert.deepEqual(limits, [1_000, 1_000, 1_000]);
  });

  it("asks for larger ones while one instant fills a page, and for plain ones after it", async () => {
    const { limits, found, all } = await pagesOf([
      ...Array.from({ length: 1_500 }, () => 5),
      ...Array.from({ length: 3_000 }, (_, n) => 6 + n),
    ]);
    assert.deepEqual(found, keysOf(all));
    assert.deepEqual(limits, [1_000, 4_000, 1_000]);
  });
});
