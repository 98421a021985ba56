import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";

interface Patterns {
  patternsFor(fleet: string | null): { readonly alone: string; readonly whole: string };
}

const { patternsFor } = createRequire(import.meta.url)("../../../infra/packaged-fleet.cjs") as Patterns;

describe("what packages have of the folder fleet/", () => {
  it("is nothing while the fleet is in a bucket", () => {
    for (const fleet of [null, "", "s3://bucket/fleet.yaml"]) {
      assert.deepEqual(patternsFor(fleet), { alone: "!fleet/**", whole: "!fleet/**" });
    }
  });

  it("is the file of the setting, and all of it for functions that reach clusters", () => {
    assert.deepEqual(patternsFor("./fleet/prod.yaml"), { alone: "fleet/prod.yaml", whole: "fleet/**" });
  });
});
