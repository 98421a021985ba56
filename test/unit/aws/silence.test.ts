import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hearing, sweepSilent } from "../../../functions/wiring/silence.ts";
import { type EpochMs, MINUTE_MS } from "../../../lib/clock.ts";
import type { NudgingDeps } from "../../../lib/nudging/deps.ts";
import { counting, QUIET, sending } from "./records.ts";

const START = Date.UTC(2030, 0, 1);
const QUARTER = 15 * MINUTE_MS;
const VAULTS = [
  { name: "main", events: { eventBridge: { source: "vault.main" }, silentAfterMs: QUARTER } },
  { name: "patient", events: { eventBridge: { source: "vault.patient" } } },
  // Its inlet is one of keyferry run.
  { name: "elsewhere", events: { file: { path: "audit.log" }, silentAfterMs: QUARTER } },
];

function aTable() {
  const times = new Map<string, EpochMs>();
  let writes = 0;
  return {
    heardAt: async (vault: string) => times.get(vault),
    noteHeard: async (vault: string, at: EpochMs) => {
      writes += 1;
      times.set(vault, at);
    },
    writes: () => writes,
  };
}

/** Ticks of a stack, and the Vaults that each of them sweeps. */
function aStack() {
  const table = aTable();
  const queue = sending();
  const metrics = counting();
  const sweeps = new Map<string, EpochMs>();
  const stack = { now: START, table, counts: metrics.counts, tick };
  const leases = {
    sweepAt: async (vault: string) => sweeps.get(vault),
    moveSweep: async (vault: string, _from: EpochMs | undefined, to: EpochMs) => {
      sweeps.set(vault, to);
      return true;
    },
  } as unknown as NudgingDeps["leases"];
  async function tick(minutes: number): Promise<readonly string[]> {
    stack.now = START + minutes * MINUTE_MS;
    const before = queue.sent.length;
    await sweepSilent({ leases, queue, clock: () => stack.now, log: QUIET, metrics }, table, VAULTS);
    return queue.sent.slice(before).flatMap((message) => (message.kind === "look-up" ? [message.vault] : []));
  }
  return stack;
}

describe("a Vault whose lines do not come", () => {
  it("is swept once for each time that it is silent, where silence means something", async () => {
    const { tick, counts } = aStack();
    assert.deepEqual(await tick(0), [], "the time begins");
    assert.deepEqual(await tick(14), []);
    assert.deepEqual(await tick(15), ["main"]);
    assert.deepEqual(await tick(16), []);
    assert.deepEqual(await tick(30), ["main"]);
    assert.deepEqual(counts, { keyferry_event_sweeps_total: 2, keyferry_inlet_missed_total: 2 });
  });

  it("is not silent as long as lines come", async () => {
    const stack = aStack();
    const heard = hearing(
      stack.table,
      () => VAULTS,
      () => stack.now,
    );
    await stack.tick(0);
    for (const minute of [10, 20, 30]) {
      heard.lines("main");
      assert.deepEqual(await stack.tick(minute), []);
      await heard.note();
    }
    assert.deepEqual(await stack.tick(45), ["main"]);
  });

  it("costs a write of lines at most twice a minute, and others cost none", async () => {
    const table = aTable();
    let now = START;
    const heard = hearing(
      table,
      () => VAULTS,
      () => now,
    );
    for (let times = 0; times < 60; times++) {
      for (const { name } of VAULTS.slice(0, 2)) heard.lines(name);
      await heard.note();
      now += 1_000;
    }
    assert.equal(table.writes(), 2);
    await heard.note();
    assert.equal(table.writes(), 2, "no line, no write");
  });
});
