import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { deadlineOf } from "../../../lib/aws/deadline.ts";

describe("an invocation's deadline", () => {
  it("is near when a read, a write and a status would not fit any more", () => {
    for (const [left, isNear] of [
      [60_000, false],
      [26_000, false],
      [24_000, true],
    ] as const) {
      using deadline = deadlineOf({ getRemainingTimeInMillis: () => left });
      assert.equal(deadline.isNear(), isNear, String(left));
    }
  });

  it("ends calls in time to settle", async () => {
    using deadline = deadlineOf({ getRemainingTimeInMillis: () => 8_010 });
    assert.equal(deadline.signal.aborted, false);
    await once(deadline.signal, "abort");
    assert.equal(deadline.signal.aborted, true);
  });
});
