import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { declaredPush } from "../../../lib/discovery/push-declared.ts";
import { SECRET } from "../../../lib/resource-kinds.ts";
import { aSeen } from "./a-seen.ts";

describe("an annotated object that is too large to store", () => {
  const preserve = "vault-sync.io/preserve-on-delete";
  const stored = (text: string) => {
    const annotations = { "vault-sync.io/path": "kv/a", "vault-sync.io/secrets": "x".repeat(70_000), [preserve]: text };
    return declaredPush({ name: "east" }, SECRET, aSeen({ annotations }), []);
  };

  it("still says that what it pushed stays when it goes", () => {
    assert.deepEqual(stored("true").annotations, { [preserve]: "true" });
    assert.deepEqual(stored("x".repeat(70_000)).annotations, {});
  });
});
