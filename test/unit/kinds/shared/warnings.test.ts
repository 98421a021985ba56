import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { incompleteTemplates } from "../../../../lib/kinds/shared/warnings.ts";

describe("the warning about templates that use missing fields", () => {
  const messageOf = (...missing: readonly string[]) => incompleteTemplates(missing)[0]?.message ?? "none";

  it("names up to three places, and how many there are beside", () => {
    assert.match(messageOf("a", "b", "c"), /place: a; b; c\. Use/);
    assert.match(messageOf("a", "b", "c", "d"), /place: a; b; c; and 1 more\. Use/);
    assert.match(messageOf("a", "b", "c", "d", "e"), /place: a; b; c; and 2 more\. Use/);
  });

  it("is a condition of its own, and is not there when nothing is missing", () => {
    assert.deepEqual(incompleteTemplates([]), []);
    const [{ type, status, reason } = assert.fail()] = incompleteTemplates(["a"]);
    assert.deepEqual([type, status, reason], ["TemplatesComplete", "False", "NoSuchField"]);
  });
});
