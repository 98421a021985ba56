import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ownCalls } from "../../../lib/vault/own-calls.ts";

const ofLease = (leaseId: string) => ({ requestId: "r", leaseId });

describe("what this process revoked", () => {
  it("is bounded: the oldest is forgotten, and what is noted again is new", () => {
    const own = ownCalls(2);
    for (const id of ["a", "b", "a", "c"]) own.revokes(id);
    assert.deepEqual(
      ["a", "b", "c"].map((id) => own.has(ofLease(id))),
      [true, false, true],
    );
    for (const id of ["1", "2", "3"]) own.asked(id);
    assert.deepEqual(
      ["1", "2", "3"].map((requestId) => own.has({ requestId })),
      [false, true, true],
    );
  });

  it("is told by its lease or by its request, and an answer without an id tells nothing", () => {
    const own = ownCalls();
    own.asked("");
    own.revokes("database/creds/app/x");
    assert.equal(own.has({ requestId: "" }), false);
    assert.equal(own.has({ requestId: "database/creds/app/x" }), false);
    assert.equal(own.has({ requestId: "r", leaseId: "database/creds/app/y" }), false);
    assert.equal(own.has(ofLease("database/creds/app/x")), true);
  });
});
