import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nowhereFound } from "../../../cli/handover-report.ts";

const survey = (...emptyNamespaces: readonly string[]) => ({ emptyNamespaces });

describe("the namespaces that a handover names", () => {
  it("are refused where no cluster has declarations in them", () => {
    assert.deepEqual(nowhereFound([survey("shpo", "pay"), survey("shpo", "shop")], ["shop", "pay", "shpo"]), ["shpo"]);
    assert.deepEqual(nowhereFound([survey()], ["shop"]), []);
    assert.deepEqual(nowhereFound([], ["shop"]), ["shop"]);
  });
});
