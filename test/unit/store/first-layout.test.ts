import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { stateOfFirst } from "../../../lib/store/first-layout.ts";

describe("a row's state of the first layout", () => {
  it("has what only static secrets know in a member of its own, and today's names", () => {
    const first = {
      source: "hash",
      vault: "vault:v",
      version: 3,
      olderSince: 5,
      doneHash: "done",
      refs: [],
      attempts: 1,
    };
    assert.deepEqual(stateOfFirst(first), {
      ...{ refs: [], attempts: 1, waitsFor: "vault:v", appliedHash: "done" },
      own: { version: 3, olderSince: 5 },
    });
  });

  it("keeps what is in that member already, and has none without need", () => {
    assert.deepEqual(stateOfFirst({ own: { step: 1 }, version: 3 }), { own: { step: 1, version: 3 } });
    assert.deepEqual(stateOfFirst({ own: { step: 1 } }), { own: { step: 1 } });
    assert.deepEqual(stateOfFirst({ olderSince: 5 }), { own: { olderSince: 5 } });
    assert.deepEqual(stateOfFirst({ refs: [] }), { refs: [] });
  });
});
