import { join } from "node:path";
import type { SyncKey } from "../../lib/keys.ts";
import type { KeysMessage } from "../../lib/ports/queue.ts";
import { EMPTY_STATE } from "../../lib/ports/rows.ts";
import type { LeaseStore } from "../../lib/ports/store.ts";
import { tick } from "../../lib/schedule/tick.ts";
import { nextSlot, phaseOf } from "../../lib/schedule/wheel.ts";
import { openSqliteStore } from "../../lib/store/sqlite/sqlite-store.ts";
import { aDeclared } from "../../test/builders.ts";
import { startDynalite } from "../../test/harness/dynalite.ts";
import { tempFolder } from "../../test/harness/process/temp-folder.ts";
import { type Figure, figure, percentile } from "../figures.ts";
import { type OnWheel, wheelTable } from "../wheel-table.ts";

const DUE = 1_000;
/** So far ahead a tick dispatches, in s, and so far apart these ticks are: each finds new rows only. */
const HORIZON_S = 120;
const NOW = Date.parse("2026-01-01T00:00:00Z");
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
const UNCOUNTED = { ran() {}, count() {}, observe() {} };

/** One tick over tables of several sizes, of which 1,000 rows are due: its time in SQLite, its units in DynamoDB. */
export async function tickCost(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const rows of [1_000, 100_000, 1_000_000]) figures.push(...(await inSqlite(rows)));
  // Dynalite, in memory, takes a million rows in more minutes than a bench has: units follow what is due, as these two show.
  for (const rows of [1_000, 100_000]) figures.push(...(await inDynamo(rows)));
  return figures;
}

/** Rows with a period so long that their refresh slots in two minutes are the thousand that are wanted. */
function* rowsOnWheel(rows: number): Generator<OnWheel> {
  const period = Math.round((rows / DUE) * HORIZON_S);
  for (let at = 0; at < rows; at++) {
    const declared = aDeclared({ key: `bench/VaultStaticSecret/ns-${at % 500}/sync-${at}` as SyncKey, group: `${at}` });
    yield { declared, slot: { period, phase: phaseOf(`${at}`, period) } };
  }
}

async function inSqlite(rows: number): Promise<readonly Figure[]> {
  await using folder = await tempFolder("tick");
  await using store = openSqliteStore({ path: join(folder.path, "state.sqlite") });
  for (const { declared, slot } of rowsOnWheel(rows)) {
    await store.declare(declared, NOW);
    const row = (await store.read([declared.key], "strong")).get(declared.key);
    const claimed = row && (await store.claim(row, { now: NOW, until: NOW + 90_000 }));
    if (!claimed) throw new Error("no claim");
    await store.settle(claimed.lease, { state: EMPTY_STATE, schedule: { kind: "wheel", slot }, now: NOW });
  }
  const samples: number[] = [];
  const dispatched = await ticksOver(store, 20, async (one) => {
    const startedAt = performance.now();
    await one();
    samples.push(performance.now() - startedAt);
  });
  const name = `tick, SQLite, ${rows.toLocaleString("en")} rows`;
  return [
    figure(name, "keys dispatched per tick", dispatched, ""),
    figure(name, "time, median", percentile(samples, 0.5), "ms"),
    figure(name, "time, max", Math.max(...samples), "ms"),
  ];
}

async function inDynamo(rows: number): Promise<readonly Figure[]> {
  await using dynalite = await startDynalite();
  using table = await wheelTable(dynalite, rowsOnWheel(rows), NOW);
  const reads: number[] = [];
  const writes: number[] = [];
  const dispatched = await ticksOver(table.store, 5, async (one) => {
    table.meter.spent();
    await one();
    const { reads: read, table: written, due, wheel, renew, place, unsent, cluster } = table.meter.spent();
    reads.push(read);
    writes.push(written + due + wheel + renew + place + unsent + cluster);
  });
  const name = `tick, DynamoDB, ${rows.toLocaleString("en")} rows`;
  return [
    figure(name, "keys dispatched per tick", dispatched, ""),
    figure(name, "read units, median", percentile(reads, 0.5), ""),
    figure(name, "write units, median", percentile(writes, 0.5), ""),
  ];
}

/** So many ticks, each after what was due before it; answers the keys that one dispatches. */
async function ticksOver(
  store: LeaseStore,
  times: number,
  measure: (one: () => Promise<unknown>) => Promise<void>,
): Promise<number> {
  let dispatched = 0;
  let clock = nextSlot({ period: HORIZON_S, phase: 0 }, NOW);
  const deps = {
    leases: store,
    queue: {
      send: async (messages: readonly KeysMessage[]) => {
        dispatched += messages.reduce((sum, { keys }) => sum + keys.length, 0);
      },
    },
    clock: () => clock,
    horizonMs: HORIZON_S * 1_000,
    backlog: () => ({}),
    log: QUIET,
    metrics: UNCOUNTED,
  };
  await store.moveDispatched("refresh", undefined, clock);
  for (let done = 0; done < times; done++) {
    await measure(() => tick(deps, AbortSignal.timeout(60_000)));
    clock += HORIZON_S * 1_000;
  }
  return dispatched / times;
}
