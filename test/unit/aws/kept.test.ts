import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { kept } from "../../../lib/aws/kept.ts";

describe("what is kept of AWS's answers", () => {
  it("is fetched once for concurrent callers, and again when it is over", async () => {
    let now = 0;
    let count = 0;
    const keep = kept<number>(() => now);
    const get = () => keep("a", async () => ({ value: ++count, until: now + 100 }));
    assert.deepEqual(await Promise.all([get(), get()]), [1, 1]);
    now = 99;
    assert.equal(await get(), 1);
    now = 100;
    assert.equal(await get(), 2);
  });

  it("is kept apart by id", async () => {
    const keep = kept<string>(() => 0);
    const get = (id: string) => keep(id, async () => ({ value: id, until: 100 }));
    assert.deepEqual([await get("a"), await get("b"), await get("a")], ["a", "b", "a"]);
  });

  it("answers a failure again for ten seconds", async () => {
    let now = 0;
    let count = 0;
    const keep = kept<number>(() => now);
    const get = () =>
      keep("a", async () => {
        throw new Error(String(++count));
      });
    await assert.rejects(get, /^Error: 1$/);
    now = 9_999;
    await assert.rejects(get, /^Error: 1$/);
    now = 10_000;
    await assert.rejects(get, /^Error: 2$/);
  });
});
