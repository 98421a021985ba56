import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listBounds } from "../../../lib/discovery/list-bounds.ts";
import { SyncError } from "../../../lib/errors.ts";
import type { ListPage } from "../../../lib/ports/clusters.ts";
import type { SeenResource } from "../../../lib/ports/resources.ts";

const page = (objects: number, more = true): ListPage => ({
  items: Array.from({ length: objects }, () => ({}) as SeenResource),
  resourceVersion: "7",
  ...(more && { continue: "more" }),
});

/** How many such pages are taken before one is too many. */
function takenOf(one: ListPage, msForEach = 0): number {
  let now = 0;
  const take = listBounds("east", "secrets", () => now);
  for (let pages = 0; ; pages++) {
    now += msForEach;
    try {
      take(one);
    } catch (error) {
      assert.ok(error instanceof SyncError && error.code === "KUBE_ANSWER_TOO_LARGE");
      assert.match(error.message, /cluster east does not end its list of secrets after \d+ pages/);
      return pages;
    }
  }
}

describe("a list", () => {
  it("has an end, whatever it is made of", () => {
    assert.deepEqual([takenOf(page(500)), takenOf(page(1)), takenOf(page(0))], [199, 1_999, 9]);
    assert.equal(takenOf(page(1), 10_000), 11);
  });

  it("may have nine pages without objects in a row, and again after one with some", () => {
    const take = listBounds("east", "secrets", () => 0);
    for (let times = 0; times < 3; times++) {
      for (let pages = 0; pages < 9; pages++) take(page(0));
      take(page(1));
    }
    for (let pages = 0; pages < 9; pages++) take(page(0));
    assert.throws(() => take(page(0)), { code: "KUBE_ANSWER_TOO_LARGE" });
  });

  it("may be as long as it likes in its last page", () => {
    listBounds("east", "secrets", () => 0)(page(200_000, false));
  });
});
