import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ReferenceKey } from "../../../lib/keys.ts";
import type { NudgeOptions } from "../../../lib/ports/store.ts";
import { type ReferenceReader, referenceReader, withReferences } from "../../../lib/references/references.ts";
import { verifyReferences } from "../../../lib/references/verify-references.ts";
import { aReference, aReferenceKey, aRow } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const [ONE, TWO] = [aReferenceKey("one"), aReferenceKey("two")];
const reference = (key: ReferenceKey, hash = "h") => ({ ...aReference({ key }), hash });

/** A store with these references, and what it was asked. */
function aStore(...stored: readonly ReturnType<typeof reference>[]) {
  const asked: (readonly ReferenceKey[])[] = [];
  const nudged: NudgeOptions[] = [];
  const sent: unknown[] = [];
  const leases = {
    async references(keys: readonly ReferenceKey[]) {
      asked.push(keys);
      return new Map(stored.filter(({ key }) => keys.includes(key)).map((one) => [one.key, one]));
    },
    async nudge(key: string, options: NudgeOptions) {
      nudged.push(options);
      return { key, group: "g", lane: "now", at: options.now };
    },
  };
  const deps = { leases, clock: () => NOW, queue: { send: async (some: unknown) => void sent.push(some) } };
  return { deps: deps as unknown as Parameters<typeof verifyReferences>[0], asked, nudged, sent };
}

describe("references that a row names for the first time", () => {
  const verify = async (
    used: ReturnType<typeof reference>[],
    now: ReturnType<typeof reference>[],
    before: ReferenceKey[] = [],
  ) => {
    const store = aStore(...now);
    const read = new Map([ONE, TWO].map((key) => [key, used.find((one) => one.key === key)]));
    const references = { has: (key) => key !== TWO || used.length > 1, get: (key) => read.get(key) } as ReferenceReader;
    const row = aRow();
    await verifyReferences(
      store.deps,
      { row: { ...row, state: { ...row.state, refs: before } }, refs: [ONE, TWO] },
      { references },
    );
    return store;
  };

  it("have it run once more when one changed, came or went between the run and its settle", async () => {
    const changed = [
      { ...reference(ONE), hash: "other" },
      { ...reference(ONE), uid: "next" },
    ];
    for (const now of [[], ...changed.map((one) => [one])]) {
      const { nudged, sent } = await verify([reference(ONE)], now);
      assert.deepEqual([nudged, sent.length], [[{ now: NOW, verify: false }], 1]);
    }
    assert.equal((await verify([], [reference(ONE)])).nudged.length, 1);
    assert.equal((await verify([reference(ONE), reference(TWO)], [reference(ONE)])).nudged.length, 1);
  });

  it("are read once, and nothing follows when they are the same", async () => {
    const { asked, nudged } = await verify([reference(ONE)], [reference(ONE)]);
    assert.deepEqual([asked, nudged], [[[ONE]], []]);
  });

  it("are not read when there are none", async () => {
    const { asked, nudged } = await verify([reference(ONE)], [], [ONE]);
    assert.deepEqual([asked, nudged], [[], []]);
  });
});

describe("a resolve that needs references", () => {
  it("is repeated until it has all, and reads each once", async () => {
    const { deps, asked } = aStore(reference(ONE), reference(TWO));
    const reader = referenceReader(deps.leases, "strong");
    const resolve = (get: (key: ReferenceKey) => unknown) => (get(ONE) === undefined ? "none" : (get(TWO) ?? "one"));
    assert.deepEqual(await withReferences(reader, resolve), reference(TWO));
    assert.deepEqual(
      asked,
      [[], [ONE], [TWO]].filter((keys) => keys.length > 0),
    );
    assert.deepEqual(await withReferences(reader, resolve, [ONE, TWO]), reference(TWO));
    assert.equal(asked.length, 2);
  });

  it("ends when each one leads to another", async () => {
    const { deps } = aStore();
    let next = 0;
    const endless = (get: (key: ReferenceKey) => unknown) => get(aReferenceKey(`n${next++}`));
    await assert.rejects(withReferences(referenceReader(deps.leases, "strong"), endless), /nest deeper/);
    assert.equal(next, 8);
  });
});
