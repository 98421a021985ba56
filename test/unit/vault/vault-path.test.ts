import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { checkVaultPath, vaultUrlPath } from "../../../lib/vault-path.ts";

describe("a Vault path", () => {
  for (const text of ["app", "team/app", "/team/app", "team/app/", "a b/ü/%2e%2e", "a:b@c!$&'()*+,;=", "...", "a..b"]) {
    it(`may be ${JSON.stringify(text)}`, () => assert.deepEqual(checkVaultPath(text), []));
  }

  for (const text of [
    "",
    "/",
    "..",
    ".",
    "a/../b",
    "a/./b",
    "../a",
    "a/..",
    "a//b",
    "//a",
    "a?b",
    "a#b",
    "a\nb",
    "a\u0085b",
  ]) {
    it(`must not be ${JSON.stringify(text)}`, () => {
      assert.notDeepEqual(checkVaultPath(text), []);
      assert.throws(() => vaultUrlPath({ path: text }), { code: "SPEC_INVALID" });
    });
  }

  it("must be well-formed, since half a character can't be encoded", () => {
    assert.notDeepEqual(checkVaultPath("a\ud800"), []);
  });

  it("has all its faults told at once", () => {
    assert.equal(checkVaultPath("a//../b?c\u0000").length, 4);
  });

  it("keeps its segments and nothing else becomes one", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme", minLength: 1 }), { minLength: 1 }), (segments) => {
        const text = segments.join("/");
        fc.pre(checkVaultPath(text).length === 0 && !segments.some((segment) => segment.includes("/")));
        const url = new URL(`http://vault/v1/${vaultUrlPath({ mount: "kv", path: text })}`);
        assert.deepEqual(url.pathname.split("/").slice(2).map(decodeURIComponent), ["kv", ...segments]);
        assert.equal(url.search + url.hash, "");
      }),
    );
  });
});
