import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { applyPatch as applied, type Operation } from "rfc6902";
import { applyPatch, type PatchOperation } from "../../lib/injector/json-patch.ts";
import type { Json } from "../../lib/util/json.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 6902);

/** The library throws where a member is added to a number. */
function fails(document: Json, patch: Operation[]): boolean {
  try {
    return applied(document, patch).some((error) => error !== null);
  } catch {
    return true;
  }
}

describe("applyPatch", () => {
  it("gives what another library gives", () => {
    const pointer = fc.constantFrom("/a", "/b", "/a/0", "/a/1", "/a/-", "/b/c", "/b/c/d", "/b/a~1b", "/x");
    const value = fc.constantFrom<Json>(0, "t", null, [], { c: 1 }, [1, { d: 2 }]);
    const operation = fc.oneof(
      fc.record({ op: fc.constantFrom("add", "replace", "test"), path: pointer, value }),
      fc.record({ op: fc.constant("remove"), path: pointer }),
      fc.record({ op: fc.constantFrom("move", "copy"), path: pointer, from: pointer }),
    ) as fc.Arbitrary<PatchOperation>;
    const document = fc.constantFrom<Json>(
      { a: [1, 2], b: { c: { d: 1 }, "a/b": 1 } },
      { a: [], b: {} },
      { b: { c: 1 } },
    );
    const property = fc.property(document, fc.array(operation, { minLength: 1, maxLength: 4 }), (before, patch) => {
      const theirs = structuredClone(before);
      const failed = fails(theirs, structuredClone(patch) as Operation[]);
      const ours = applyPatch(before, patch);
      // The library is laxer than the RFC, so it may accept more.
      if (typeof ours === "object" && ours !== null && "inapplicable" in ours) return;
      assert.equal(failed, false);
      assert.deepEqual(ours, theirs);
    });
    fc.assert(property, { numRuns: INPUTS, seed: SEED });
  });
});
