import { join } from "node:path";
import type { SyncKey } from "../../lib/keys.ts";
import { openSqliteStore } from "../../lib/leases/sqlite.ts";
import type { WorkMessage } from "../../lib/reconcile/ports.ts";
import { EMPTY_STATE } from "../../lib/reconcile/row.ts";
import { tick } from "../../lib/schedule/tick.ts";
import { nextTurn, phaseOf } from "../../lib/schedule/wheel.ts";
import { aDeclared } from "../../test/builders.ts";
import { tempFolder } from "../../test/harness/process/temp-folder.ts";
import { type Figure, figure, percentile } from "../figures.ts";

const DUE = 1_000;
const TICKS = 20;
const QUIET = { debug() {}, info() {}, warn() {}, error() {} };
const UNCOUNTED = { count() {}, observe() {} };

/** One tick over tables of several sizes, of which 1,000 rows are due. */
export async function tickCost(): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const rows of [1_000, 100_000, 1_000_000]) figures.push(...(await ticksOver(rows)));
  return figures;
}

async function ticksOver(rows: number): Promise<readonly Figure[]> {
  await using folder = await tempFolder("tick");
  await using store = openSqliteStore({ path: join(folder.path, "state.sqlite") });
  const now = Date.parse("2026-01-01T00:00:00Z");
  // A period so long that its turns in two minutes are the thousand that are wanted.
  const period = Math.round((rows / DUE) * 120);
  for (let at = 0; at < rows; at++) {
    const declared = aDeclared({ key: `bench/VaultStaticSecret/ns-${at % 500}/sync-${at}` as SyncKey, group: `${at}` });
    await store.declare(declared, now);
    const row = (await store.read([declared.key], "strong")).get(declared.key);
    const claimed = row && (await store.claim(row, { now, until: now + 90_000 }));
    if (!claimed) throw new Error("no claim");
    const turn = { period, phase: phaseOf(`${at}`, period) };
    await store.settle(claimed.lease, { state: EMPTY_STATE, schedule: { kind: "wheel", turn }, now });
  }
  const samples: number[] = [];
  let handedOut = 0;
  let clock = nextTurn({ period: 120, phase: 0 }, now);
  await store.moveCursor(undefined, clock);
  for (let times = 0; times < TICKS; times++) {
    const startedAt = performance.now();
    const at = clock;
    await tick(
      {
        leases: store,
        queue: {
          send: async (messages: readonly WorkMessage[]) => {
            handedOut += messages.reduce((sum, message) => sum + message.keys.length, 0);
          },
        },
        clock: () => at,
        horizonMs: 120_000,
        backlog: () => ({}),
        log: QUIET,
        metrics: UNCOUNTED,
      },
      AbortSignal.timeout(60_000),
    );
    samples.push(performance.now() - startedAt);
    clock += 120_000;
  }
  const name = `tick, ${rows.toLocaleString("en")} rows`;
  return [
    figure(name, "keys handed out per tick", handedOut / TICKS, ""),
    figure(name, "time, median", percentile(samples, 0.5), "ms"),
    figure(name, "time, max", Math.max(...samples), "ms"),
  ];
}
