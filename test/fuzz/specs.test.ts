import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type DeclaredKind, mustParseSpec, SPECS } from "../../lib/declarations/parse.ts";
import { SyncError } from "../../lib/errors.ts";

const INPUTS = Number(process.env.KEYFERRY_FUZZ_INPUTS ?? 100_000);
const SEED = Number(process.env.KEYFERRY_FUZZ_SEED ?? 20_261_130);

describe("parsing a spec", () => {
  it("throws nothing but SPEC_INVALID, whatever a cluster stored", () => {
    const kinds = fc.constantFrom(...(Object.keys(SPECS) as DeclaredKind[]));
    const field = fc.constantFrom(
      "mount",
      "path",
      "type",
      "destination",
      "headers",
      "jwt",
      "templates",
      "__proto__",
      "a",
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        fc.jsonValue(),
        fc.dictionary(field, tie("any"), { maxKeys: 4 }),
        fc.array(tie("any"), { maxLength: 3 }),
      ),
    })).any;
    const property = fc.property(kinds, fc.oneof(fc.dictionary(field, value), value), (kind, spec) => {
      try {
        mustParseSpec(kind, spec);
      } catch (error) {
        if (!(error instanceof SyncError) || error.code !== "SPEC_INVALID") throw error;
        assert.equal(error.message.length < 4_000, true);
      }
    });
    fc.assert(property, { numRuns: Math.ceil(INPUTS / 5), seed: SEED });
  });
});
