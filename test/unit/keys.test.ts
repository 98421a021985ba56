import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey, declarationKey, isCleanupKey, parseKey, partsOf, referenceKey, syncKey } from "../../lib/keys.ts";

const PARTS = { cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: "db" };
const KEY = syncKey(PARTS);

describe("a key", () => {
  it("is of four parts, and gives them back", () => {
    assert.equal(KEY, "east/VaultStaticSecret/shop/db");
    assert.equal(referenceKey(PARTS), KEY);
    assert.deepEqual(partsOf(KEY), PARTS);
  });

  it("of a clean-up names the declaration and its uid", () => {
    const cleanup = cleanupKey(KEY, "u1");
    assert.equal(cleanup, `${KEY}#u1`);
    assert.deepEqual([isCleanupKey(cleanup), isCleanupKey(KEY)], [true, false]);
    assert.deepEqual([declarationKey(cleanup), declarationKey(KEY)], [KEY, KEY]);
    assert.deepEqual(partsOf(cleanup), PARTS);
  });

  for (const text of ["", "east", "/K/n/a", "east//n/a", "east/K//a", "east/K/n/", "east/K/n", "east/K/n/a/b", "#u1"]) {
    it(`is not "${text}"`, () => {
      assert.equal(parseKey(text), undefined);
      assert.throws(() => partsOf(text as typeof KEY), /not a key/);
    });
  }
});
