import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nudgeUntold, TOLD } from "../../../lib/discovery/untold.ts";
import type { WorkMessage } from "../../../lib/ports/queue.ts";
import { EMPTY_STATE, type RowState } from "../../../lib/ports/rows.ts";
import type { Schedule } from "../../../lib/ports/store.ts";
import { simulatedSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const PARKED: Schedule = { kind: "parked" };
const WHEEL: Schedule = { kind: "wheel", slot: { period: 60, phase: 0 } };
const TOLD_BEFORE: Partial<RowState> = { seen: { resourceVersion: "1", hash: "h", status: { observedGeneration: 1 } } };

/** Which of these rows are nudged in a cluster that was told so much. */
async function nudged(
  told: number | undefined,
  rows: readonly (readonly [name: string, Schedule, Partial<RowState>])[],
) {
  await using store = simulatedSqliteStore(undefined);
  const sent: WorkMessage[] = [];
  for (const [name, schedule, state] of rows) {
    const key = aKey(name);
    await store.declare(aDeclared({ key }), NOW);
    const row = (await store.read([key], "strong")).get(key) ?? assert.fail();
    const { lease } = (await store.claim(row, { now: NOW, until: NOW + 1 })) ?? assert.fail();
    await store.settle(lease, { state: { ...EMPTY_STATE, ...state }, schedule, now: NOW });
  }
  const queue = { send: async (messages: readonly WorkMessage[]) => void sent.push(...messages) };
  const state = { cursors: {}, attempts: 0, ...(told === undefined ? {} : { told }) };
  await nudgeUntold({ leases: store, queue, clock: () => NOW + 60_000 }, "east", state);
  return sent.flatMap((message) => (message.kind === "keys" ? message.keys : [])).sort();
}

describe("rows that an earlier version settled", () => {
  it("are nudged once, unless a refresh comes anyway", async () => {
    const rows = [
      ["parked", PARKED, {}],
      ["on-the-wheel", WHEEL, {}],
    ] as const;
    assert.deepEqual(await nudged(undefined, rows), [aKey("parked")]);
    assert.deepEqual(await nudged(TOLD, rows), []);
  });

  it("are all nudged where they are not found by their references yet", async () => {
    assert.deepEqual(await nudged(1, [["told", PARKED, TOLD_BEFORE]]), [aKey("told")]);
  });

  it("are many, and read in parts", async () => {
    const names = Array.from({ length: 101 }, (_, at) => `n${at}`);
    assert.equal(
      (
        await nudged(
          0,
          names.map((name) => [name, PARKED, {}] as const),
        )
      ).length,
      101,
    );
  });
});
