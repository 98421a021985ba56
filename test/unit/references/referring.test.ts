import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import type { Due, PageOptions } from "../../../lib/ports/store.ts";
import { nudgeReferring, referringTo } from "../../../lib/references/referring.ts";
import { aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const REF = "cause:VAULT_DENIED:1";
const NAMES = ["a", "b", "c", "d", "e"];

/** A table in which five rows refer to the same, two to a page; `e` is due already. */
function aTable() {
  const asked: unknown[] = [];
  const sent: WorkMessage[] = [];
  const leases = {
    byReference: async (ref: string, { after }: PageOptions = {}) => {
      asked.push([ref, after]);
      const from = after === undefined ? 0 : Number(after);
      const next = from + 2 < NAMES.length ? { next: String(from + 2) } : {};
      return { items: NAMES.slice(from, from + 2).map((name) => aKey(name)), ...next };
    },
    nudgeAll: async (keys: readonly ReturnType<typeof aKey>[], options: object) => {
      asked.push([keys.map((key) => key.at(-1)).join(""), options]);
      return keys.filter((key) => key !== aKey("e")).map((key): Due => ({ key, group: "g", lane: "now", at: NOW }));
    },
  };
  const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
  return { deps: { leases, queue, clock: () => NOW } as never, leases: leases as never, asked, sent };
}

describe("the rows that refer to something", () => {
  it("are those of all pages, in order", async () => {
    const { leases, asked } = aTable();
    assert.deepEqual(
      await referringTo(leases, REF),
      NAMES.map((name) => aKey(name)),
    );
    assert.deepEqual(asked, [
      [REF, undefined],
      [REF, "2"],
      [REF, "4"],
    ]);
  });

  it("are nudged page by page, except one that knows; those that were not due are sent, and counted", async () => {
    const { deps, asked, sent } = aTable();
    assert.equal(await nudgeReferring(deps, REF, { verify: true, but: aKey("b") }), 3);
    const options = { now: NOW, verify: true };
    assert.deepEqual(asked, [
      [REF, undefined],
      ["a", options],
      [REF, "2"],
      ["cd", options],
      [REF, "4"],
      ["e", options],
    ]);
    assert.deepEqual(
      sent.flatMap((message) => (message.kind === "keys" ? message.keys : [])),
      ["a", "c", "d"].map((name) => aKey(name)),
    );
  });
});
