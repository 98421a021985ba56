import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MINUTE_MS } from "../../../lib/clock.ts";
import { syncKey } from "../../../lib/keys.ts";
import { addOverdue, type Overdue } from "../../../lib/schedule/overdue.ts";

const NOW = Date.UTC(2030, 0, 1);
const due = (cluster: string, minutesAgo: number) => ({
  key: syncKey({ cluster, kind: "VaultStaticSecret", namespace: "a", name: `${minutesAgo}` }),
  at: NOW - minutesAgo * MINUTE_MS,
});

describe("what is overdue", () => {
  it("was due more than five minutes ago: counted by cluster, with the longest wait", () => {
    const overdue = new Map<string, Overdue>();
    addOverdue(overdue, [due("east", 6), due("east", 5), due("west", 4), due("east", -2)], NOW);
    addOverdue(overdue, [due("east", 60), due("north", 7)], NOW);
    assert.deepEqual(Object.fromEntries(overdue), {
      east: { count: 2, longestMs: 60 * MINUTE_MS },
      north: { count: 1, longestMs: 7 * MINUTE_MS },
    });
  });
});
