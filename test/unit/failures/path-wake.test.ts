import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { freedBy, pathWait } from "../../../lib/failures/path-wake.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { Schedule } from "../../../lib/ports/store.ts";
import { aPushed } from "../../builders.ts";

const ONE = aPushed("one");
const TWO = aPushed("two");

function freed(after: readonly (typeof ONE)[], kind: "parked" | "gone" = "parked"): readonly string[] {
  const schedule: Schedule = { kind };
  const state = { ...EMPTY_STATE, pushed: after };
  return freedBy({ pushed: [ONE, TWO] }, { state, schedule, now: 0 }).map(({ path }) => path);
}

describe("paths that a settle frees", () => {
  it("are those that the row had, and has not any more", () => {
    assert.deepEqual(freed([{ ...ONE, version: 7 }, TWO]), []);
    assert.deepEqual(freed([TWO]), [ONE.path]);
    assert.deepEqual(freed([]), [ONE.path, TWO.path]);
  });

  it("are all of them when the row ends", () => {
    assert.deepEqual(freed([ONE, TWO], "gone"), [ONE.path, TWO.path]);
  });

  it("are waited for by Vault and path, however long that is", () => {
    const path = "x".repeat(4_000);
    assert.ok(pathWait({ vault: "main", path }).length < 100);
    assert.notEqual(pathWait({ vault: "main", path }), pathWait({ vault: "other", path }));
  });
});
