import assert from "node:assert/strict";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import type { KeysMessage } from "../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import { tick } from "../../lib/schedule/tick.ts";
import { nextSlot, phaseOf } from "../../lib/schedule/wheel.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aKey } from "../builders.ts";
import { tempFolder } from "../harness/process/temp-folder.ts";
import { clusterOf, type StandIns, standInApi } from "./stand-ins/api.ts";
import { counted, each, heapMiB } from "./stand-ins/measured.ts";
import { type OpenPasses, openPasses, type Passes, passesOver } from "./stand-ins/passes.ts";

/**
 * Stand-ins: the clusters do not exist, and their lists and watches come from a rule in memory. The table, the watch
 * passes and the ticks are the real ones.
 */
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

interface Ticks {
  /** Calls of the store in each tick. */
  readonly calls: number;
  readonly dispatched: number;
  readonly ms: number;
  readonly heapMiB: number;
}

interface Found {
  readonly size: StandIns;
  /** Passes that list all declarations, and those that find one change of each cluster by watch. */
  readonly listing: Passes;
  readonly watching: Passes;
  readonly open: OpenPasses;
  readonly ticks: Ticks;
}

/** Settles the syncs `from` to `to` of a table as in step: each gets its refresh slot. */
async function settleAll(store: LeaseStore, size: StandIns, from = 0, to = size.syncs): Promise<void> {
  // So long that the refresh slots of one tick are as many in either table.
  const period = Math.round((size.syncs / DUE) * HORIZON_S);
  await each(to - from, AT_ONCE, async (past) => {
    const at = from + past;
    const key = aKey(`sync-${at}`, clusterOf(at, size));
    const row = (await store.read([key], "strong")).get(key);
    const claimed = row && (await store.claim(row, { now: NOW, until: NOW + 90_000 }));
    if (!claimed) throw new Error(`${key} is not declared`);
    const slot = { period, phase: phaseOf(`${at}`, period) };
    await store.settle(claimed.lease, { state: EMPTY_STATE, schedule: { kind: "wheel", slot }, now: NOW });
  });
}

async function ticksOver(real: LeaseStore): Promise<Ticks> {
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

async function measured(size: StandIns): Promise<Found> {
  await using folder = await tempFolder("stand-ins");
  await using store = openSqliteStore({ path: join(folder.path, "state.sqlite") });
  const api = standInApi(size);
  const listing = await passesOver(store, api, size, NOW);
  await settleAll(store, size);
  // The first declaration of each cluster.
  api.change((cluster) => `sync-${cluster}`);
  const watching = await passesOver(store, api, size, NOW + 10_000);
  await settleAll(store, size, 0, size.clusters);
  api.change(undefined);
  const open = await openPasses(store, api, size, NOW + 20_000);
  return { size, listing, watching, open, ticks: await ticksOver(store) };
}

describe("500 stand-in clusters with 200,000 syncs in one table, beside a tenth of both", { timeout: 580_000 }, () => {
  let small: Found;
  let large: Found;
  before(async () => {
    small = await measured(SMALL);
    large = await measured(LARGE);
  });

  it("a tick asks the table as often, and keeps nothing", (t) => {
    for (const { size, ticks } of [small, large]) {
      t.diagnostic(
        `${named(size)}: a tick dispatches ${ticks.dispatched} in ${ticks.ms.toFixed(1)} ms, with ${ticks.calls} calls of the store; ${ticks.heapMiB.toFixed(1)} MiB stay`,
      );
    }
    const dispatched = [small.ticks.dispatched, large.ticks.dispatched] as const;
    assert.ok(Math.abs(dispatched[0] - dispatched[1]) < DUE / 5, dispatched.join(" and "));
    assert.ok(large.ticks.calls <= small.ticks.calls + 2, `${small.ticks.calls} and then ${large.ticks.calls} calls`);
    // What a tick keeps follows what is due, not what is in the table.
    assert.ok(large.ticks.heapMiB < 20, `${large.ticks.heapMiB} MiB`);
  });

  it("a watch pass over a cluster asks the table as often, and keeps nothing", (t) => {
    for (const { size, listing, watching } of [small, large]) {
      for (const [what, { ms, calls, sent, heapMiB: stay }] of Object.entries({ listing, watching })) {
        t.diagnostic(
          `${named(size)}: a ${what} pass takes ${ms.toFixed(1)} ms, with ${calls.toFixed(1)} calls of the store; all send ${sent} keys; ${stay.toFixed(1)} MiB stay`,
        );
      }
    }
    for (const which of ["listing", "watching"] as const) {
      const calls = [small[which].calls, large[which].calls] as const;
      assert.ok(calls[1] <= calls[0] + 1, `${which}: ${calls.join(" and then ")} calls`);
      assert.ok(large[which].heapMiB < 20, `${which}: ${large[which].heapMiB} MiB`);
    }
    // All declarations once; then those that changed, and no other.
    for (const { size, listing, watching } of [small, large]) {
      assert.deepEqual([listing.sent, watching.sent], [size.syncs, size.clusters]);
    }
  });

  it("an open watch of each cluster takes as much memory, and leaves none", (t) => {
    for (const { size, open } of [small, large]) {
      t.diagnostic(
        `${named(size)}: an open watch pass holds ${open.kibOfEach.toFixed(0)} KiB; ${open.heapMiB.toFixed(1)} MiB stay after all`,
      );
    }
    assert.ok(large.open.kibOfEach < 1.5 * small.open.kibOfEach + 50, `${large.open.kibOfEach} KiB for each`);
    assert.ok(large.open.heapMiB < 20, `${large.open.heapMiB} MiB`);
  });
});

function named({ clusters, syncs }: StandIns): string {
  return `${clusters} stand-in clusters, ${syncs} syncs`;
}
