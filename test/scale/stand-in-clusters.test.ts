import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { KeysMessage } from "../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import { tick } from "../../lib/schedule/tick.ts";
import { nextSlot, phaseOf } from "../../lib/schedule/wheel.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared, aKey } from "../builders.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";

/** Stand-ins: rows of clusters that do not exist. What is asked of the table does not depend on an API server. */
const SMALL = { clusters: 50, syncs: 20_000 };
const LARGE = { clusters: 500, syncs: 200_000 };
/** Due in each tick, in either table. */
const DUE = 1_000;
const HORIZON_S = 120;
const TICKS = 5;
const AT_ONCE = 500;
const NOW = Date.parse("2026-01-01T00:00:00Z");
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
const UNCOUNTED = { ran() {}, count() {}, observe() {} };

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;

function heapMiB(): number {
  collect();
  return process.memoryUsage().heapUsed / 1_048_576;
}

/** The store with a count of its calls. */
function counted(store: LeaseStore): { readonly store: LeaseStore; calls(): number } {
  let calls = 0;
  const seeing = new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(target, name) as unknown;
      if (typeof member !== "function") return member;
      return (...args: readonly unknown[]) => {
        calls += 1;
        return member.apply(target, args) as unknown;
      };
    },
  });
  return { store: seeing, calls: () => calls };
}

async function fill(store: LeaseStore, { clusters, syncs }: typeof SMALL): Promise<void> {
  // So long that the refresh slots of one tick are as many in either table.
  const period = Math.round((syncs / DUE) * HORIZON_S);
  const settled = async (at: number): Promise<void> => {
    const key = aKey(`sync-${at}`, `stand-in-${at % clusters}`);
    await store.declare(aDeclared({ key, group: `${at}` }), NOW);
    const row = (await store.read([key], "strong")).get(key);
    const claimed = row && (await store.claim(row, { now: NOW, until: NOW + 90_000 }));
    if (!claimed) throw new Error("no claim");
    const slot = { period, phase: phaseOf(`${at}`, period) };
    await store.settle(claimed.lease, { state: EMPTY_STATE, schedule: { kind: "wheel", slot }, now: NOW });
  };
  for (let from = 0; from < syncs; from += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => settled(from + at)));
  }
}

interface Ticks {
  /** Calls of the store in each tick. */
  readonly calls: number;
  readonly dispatched: number;
  readonly ms: number;
  readonly heapMiB: number;
}

async function ticksOver(size: typeof SMALL): Promise<Ticks> {
  await using folder = await tempFolder("stand-ins");
  await using real = openSqliteStore({ path: join(folder.path, "state.sqlite") });
  await fill(real, size);
  const before = heapMiB();
  const { store, calls } = counted(real);
  let dispatched = 0;
  let clock = nextSlot({ period: HORIZON_S, phase: 0 }, NOW);
  const deps = {
    leases: store,
    queue: {
      send: async (messages: readonly KeysMessage[]) => {
        for (const { keys } of messages) dispatched += keys.length;
      },
    },
    clock: () => clock,
    horizonMs: HORIZON_S * 1_000,
    backlog: () => ({}),
    log: QUIET,
    metrics: UNCOUNTED,
  };
  await real.moveDispatched("refresh", undefined, clock);
  const startedAt = performance.now();
  for (let done = 0; done < TICKS; done++) {
    await tick(deps, AbortSignal.timeout(60_000));
    clock += HORIZON_S * 1_000;
  }
  const ms = (performance.now() - startedAt) / TICKS;
  return { calls: calls() / TICKS, dispatched: dispatched / TICKS, ms, heapMiB: heapMiB() - before };
}

describe("a table of stand-in clusters", () => {
  it("500 clusters with 200,000 syncs: a tick asks the table as often as with a tenth of them", {
    timeout: 580_000,
  }, async (t) => {
    const small = await ticksOver(SMALL);
    const large = await ticksOver(LARGE);
    for (const [what, { clusters, syncs }, found] of [
      ["small", SMALL, small] as const,
      ["large", LARGE, large] as const,
    ]) {
      t.diagnostic(
        `${what}: ${clusters} stand-in clusters, ${syncs} syncs: a tick dispatches ${found.dispatched} in ${found.ms.toFixed(1)} ms, with ${found.calls} calls of the store; ${found.heapMiB.toFixed(1)} MiB stay`,
      );
    }
    assert.ok(Math.abs(small.dispatched - large.dispatched) < DUE / 5, `${small.dispatched} and ${large.dispatched}`);
    assert.ok(large.calls <= small.calls + 2, `${small.calls} and then ${large.calls} calls`);
    // What a tick keeps follows what is due, not what is in the table.
    assert.ok(large.heapMiB < 20, `${large.heapMiB} MiB`);
  });
});
