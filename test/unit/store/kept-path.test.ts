import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pushed } from "../../../lib/ports/rows.ts";
import { keepsPath } from "../../../lib/store/kept-path.ts";
import { aPushed } from "../../builders.ts";

const PLACE = { vault: "main", path: "kv/db", role: "push" } as const;

function keeps(pushed: readonly Pushed[] | string | null, leaseUntil: number | null = null): boolean {
  return keepsPath(leaseUntil, pushed === null || typeof pushed === "string" ? pushed : JSON.stringify(pushed), PLACE);
}

describe("a path that an index says a row has", () => {
  it("is the row's while its list has it, in the same Vault", () => {
    assert.equal(keeps([aPushed("more"), aPushed()]), true);
    assert.equal(keeps([aPushed("more"), aPushed("db", { vault: "other" })]), false);
    assert.equal(keeps(null), false);
    assert.equal(keepsPath(undefined, undefined, PLACE), false);
  });

  it("stays the row's while it is at work, or its list can't be read", () => {
    assert.equal(keeps(null, 1), true);
    assert.equal(keeps('[{"vault":"main"'), true);
    assert.equal(keeps(JSON.stringify([aPushed("more"), { vault: 7 }])), true);
  });
});
