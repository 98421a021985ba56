import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { OVERTAKEN, untilItHolds } from "../../../../lib/store/dynamodb/contention.ts";

describe("a write that others overtake", () => {
  it("is tried again until it holds", async () => {
    let tries = 0;
    const attempt = async () => (++tries < 3 ? OVERTAKEN : "written");
    assert.equal(await untilItHolds("row", attempt), "written");
    assert.equal(tries, 3);
  });

  it("may find that there is nothing to write", async () => {
    assert.equal(await untilItHolds("row", async () => undefined), undefined);
  });

  it("fails as often as its message says", async () => {
    let tries = 0;
    const attempt = async () => {
      tries++;
      return OVERTAKEN;
    };
    const error = await untilItHolds("row", attempt).catch((reason: unknown) => reason);
    assert.equal(Object(error).code, "STORE_UNAVAILABLE");
    assert.equal(Number(/^row lost against (\d+) concurrent writes/.exec(Object(error).message)?.[1]), tries);
  });
});
