import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { notedCalls, ownCalls } from "../../../lib/vault/own-calls.ts";

const ofLease = (leaseId: string) => ({ requestId: "r", leaseId });

describe("what this process revoked", () => {
  it("is bounded: the oldest is forgotten, and what is noted again is new", async () => {
    const own = ownCalls(2);
    for (const id of ["a", "b", "a", "c"]) own.revokes(id);
    assert.deepEqual(
      ["a", "b", "c"].map((id) => own.has(ofLease(id))),
      [true, false, true],
    );
    for (const id of ["1", "2", "3"]) await own.asked(id);
    assert.deepEqual(
      ["1", "2", "3"].map((requestId) => own.has({ requestId })),
      [false, true, true],
    );
  });

  it("is told by its lease or by its request, and an answer without an id tells nothing", async () => {
    const own = ownCalls();
    await own.asked("");
    own.revokes("database/creds/app/x");
    assert.equal(own.has({ requestId: "" }), false);
    assert.equal(own.has({ requestId: "database/creds/app/x" }), false);
    assert.equal(own.has({ requestId: "r", leaseId: "database/creds/app/y" }), false);
    assert.equal(own.has(ofLease("database/creds/app/x")), true);
  });

  it("is told by a name in the body that nobody guesses", async () => {
    const own = ownCalls(2, (length) => Buffer.alloc(length, 7));
    const mark = await own.mark();
    assert.equal(mark, `keyferry-${"07".repeat(16)}`);
    assert.deepEqual([own.has({ requestId: "r", mark }), own.has({ requestId: "r", mark: `${mark}0` })], [true, false]);
    await own.asked("r");
    assert.equal(own.has({ requestId: "s", mark: "r" }), false);
    assert.notEqual(await ownCalls().mark(), await ownCalls().mark());
  });
});

describe("what processes revoked whose lines another one reads", () => {
  it("is noted before the request, and a failed note stops nothing", async () => {
    const noted: string[] = [];
    const own = notedCalls({ note: async (id) => void noted.push(id) });
    const mark = await own.mark();
    await own.asked("r");
    await own.asked("");
    own.revokes("database/creds/app/x");
    assert.deepEqual([noted, own.has({ requestId: "r", mark })], [[mark, "r"], false]);
    const failing = notedCalls({ note: async () => Promise.reject(new Error("no table")) });
    await failing.asked("r");
    assert.match(await failing.mark(), /^keyferry-/);
  });
});
