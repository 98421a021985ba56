import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { cleanupKey } from "../../../lib/keys.ts";
import { HANDED_OVER, TO_VSO } from "../../../lib/origins/handed-over.ts";
import type { Row } from "../../../lib/ports/rows.ts";
import { isBeingDeleted, shouldRelease } from "../../../lib/reconcile/standing.ts";
import { aDeclared, aKey, aReferenceKey, aRow } from "../../builders.ts";

function handedOver(change: Partial<Row> = {}, deleting = false): Row {
  const declared = { ...aDeclared(), annotations: { [HANDED_OVER]: TO_VSO }, deleting };
  return { ...aRow(), declared, ...change };
}
const owing = (attempts: number) =>
  ({ state: { ...aRow().state, rollout: { attempts } } }) as unknown as Pick<Row, "state">;

describe("a row that is handed over", () => {
  it("is released, after a first try of the restart that it owes", () => {
    assert.equal(shouldRelease(handedOver()), true);
    assert.equal(shouldRelease(handedOver(owing(0))), false);
    assert.equal(shouldRelease(handedOver(owing(1))), true);
    assert.equal(shouldRelease(handedOver(owing(0), true)), true);
  });

  it("is not released as long as it is declared plainly, cleans up, or is of a reference", () => {
    assert.equal(shouldRelease({ ...aRow(), declared: aDeclared() }), false);
    assert.equal(shouldRelease(handedOver({ key: cleanupKey(aKey(), "u") })), false);
    assert.equal(shouldRelease(handedOver({ key: aReferenceKey() as unknown as Row["key"] })), false);
  });
});

describe("a row whose declaration goes", () => {
  it("is one that is being deleted, or that cleans up already", () => {
    assert.equal(isBeingDeleted(handedOver()), false);
    assert.equal(isBeingDeleted(handedOver({}, true)), true);
    assert.equal(isBeingDeleted(handedOver({ key: cleanupKey(aKey(), "u") })), true);
  });
});
