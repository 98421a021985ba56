import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ReferenceKey } from "../../../lib/keys.ts";
import type { Reference } from "../../../lib/ports/rows.ts";
import { referenceReader, withReferences } from "../../../lib/references/references.ts";
import { aReference, aReferenceKey } from "../../builders.ts";

const names = (keys: readonly ReferenceKey[]) => keys.map((key) => key.split("/").at(-1));

/** A table with these references, and what was read of it. */
function aReader(...known: readonly string[]) {
  const reads: unknown[] = [];
  const references = async (keys: readonly ReferenceKey[], consistency: string) => {
    reads.push([consistency, ...names(keys)]);
    const found = keys.filter((key) => known.includes(String(key.split("/").at(-1))));
    return new Map(found.map((key): [ReferenceKey, Reference] => [key, aReference({ key })]));
  };
  return { reads, reader: referenceReader({ references }, "eventual") };
}
const key = (name: string) => aReferenceKey(name);

describe("the references of a batch", () => {
  it("are each read once, also those that are missing, and by several at once", async () => {
    const { reader, reads } = aReader("a", "b");
    assert.equal(reader.has(key("a")), false);
    await Promise.all([reader.load([key("a"), key("none")]), reader.load([key("none"), key("b")])]);
    await reader.load([key("a"), key("b"), key("none")]);
    assert.deepEqual(reads, [
      ["eventual", "a", "none"],
      ["eventual", "b"],
    ]);
    assert.deepEqual([reader.has(key("none")), reader.get(key("none"))], [true, undefined]);
    assert.equal(reader.get(key("b"))?.key, key("b"));
  });

  it("are there for who joins a read that is under way", async () => {
    const gate = Promise.withResolvers<void>();
    const references = async (keys: readonly ReferenceKey[]) => {
      await gate.promise;
      return new Map(keys.map((one) => [one, aReference({ key: one })]));
    };
    const reader = referenceReader({ references }, "strong");
    const first = reader.load([key("a")]);
    const second = reader.load([key("a")]).then(() => reader.has(key("a")));
    gate.resolve();
    await first;
    assert.equal(await second, true);
  });
});

describe("what needs references", () => {
  /** Names that lead from one to the next, and the last one. */
  const chain = (count: number) => {
    const all = Array.from({ length: count }, (_, n) => `n${n}`);
    let rounds = 0;
    const resolve = (get: (of: ReferenceKey) => Reference | undefined): string => {
      rounds += 1;
      let last = "";
      for (const name of all) {
        if (get(key(name)) === undefined) return last;
        last = name;
      }
      return last;
    };
    return { all, resolve, rounds: () => rounds };
  };

  it("is resolved anew until it has all of them", async () => {
    const { all, resolve, rounds } = chain(3);
    const { reader, reads } = aReader(...all);
    assert.equal(await withReferences(reader, resolve), "n2");
    assert.deepEqual([reads.length, rounds()], [3, 4]);
  });

  it("is resolved once with what it needed before, in one read", async () => {
    const { all, resolve, rounds } = chain(3);
    const { reader, reads } = aReader(...all);
    assert.equal(await withReferences(reader, resolve, all.map(key)), "n2");
    assert.deepEqual([reads, rounds()], [[["eventual", "n0", "n1", "n2"]], 1]);
  });

  it("goes on without one that is missing", async () => {
    const { resolve } = chain(3);
    assert.equal(await withReferences(aReader("n0", "n2").reader, resolve), "n0");
  });

  it("may lead seven steps, and no further: then it is a loop", async () => {
    const seven = chain(7);
    assert.equal(await withReferences(aReader(...seven.all).reader, seven.resolve), "n6");
    const eight = chain(8);
    await assert.rejects(withReferences(aReader(...eight.all).reader, eight.resolve), /deeper than 8 steps/);
  });
});
