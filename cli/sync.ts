import { setTimeout as sleep } from "node:timers/promises";
import { SECOND_MS, systemClock } from "../lib/clock.ts";
import { partsOf } from "../lib/keys.ts";
import { sendDue } from "../lib/schedule/messages.ts";
import { isDataDirLocked } from "../lib/store/sqlite/sqlite-store.ts";
import { keysIn } from "./chosen-keys.ts";
import { type OpenTable, openTable, type TableFlags } from "./lease-table.ts";
import { print, printJson, say } from "./output.ts";
import { type Asked, askedOf, type Outcome, outcomeOf } from "./sync-outcome.ts";
import { table } from "./table.ts";

export interface SyncFlags extends TableFlags {
  readonly wait: boolean;
  /** In ms. */
  readonly timeout: number;
  readonly output: "table" | "json";
}

/** How often the result is read, from a file and from DynamoDB. */
const AGAIN_MS = { local: SECOND_MS / 5, stack: SECOND_MS };

/**
 * Makes the engine read the source of syncs and verify their destination now. With --wait: exits with 1 when one failed
 * or took too long.
 */
export async function syncCommand(texts: readonly string[], flags: SyncFlags): Promise<number> {
  await using place = await openTable(flags, "ask");
  const keys = await keysIn(place.leases, texts);
  const asked = await ask(place, keys);
  for (const { key } of asked) say(`asked for ${key}`);
  const isIdle = flags.stack === undefined && !isDataDirLocked(flags.dataDir);
  if (isIdle) {
    say(`no keyferry works with ${flags.dataDir} now: it will be done once \`keyferry run\` starts there`);
  }
  if (!flags.wait) return 0;
  const outcomes = isIdle ? asked.map(notDone) : await outcomesOf(place, asked, flags);
  if (flags.output === "json") printJson({ syncs: outcomes });
  else print(people(outcomes));
  return outcomes.every(({ outcome }) => outcome === "synced") ? 0 : 1;
}

async function ask({ leases, queue }: OpenTable, keys: readonly Asked["key"][]): Promise<readonly Asked[]> {
  const rows = await leases.read(keys, "strong");
  const asked: Asked[] = [];
  for (const before of rows.values()) {
    const { key } = before;
    const now = systemClock();
    const due = await leases.nudge(key, { now, verify: true });
    // Undefined: it is already due, but its message may be scheduled far ahead, so another one is sent now.
    const at = due ?? { key, group: before.declared.group, lane: "now", at: now };
    if (queue) await sendDue(queue, [at], now);
    asked.push(askedOf(before, due));
  }
  return asked;
}

type Told = Outcome | (Pick<Outcome, "key"> & { readonly outcome: "not done"; readonly error?: undefined });

function notDone({ key }: Asked): Told {
  return { key, outcome: "not done" };
}

async function outcomesOf({ leases }: OpenTable, asked: readonly Asked[], flags: SyncFlags): Promise<readonly Told[]> {
  const until = systemClock() + flags.timeout;
  const done = new Map<string, Outcome>();
  for (;;) {
    const left = asked.filter(({ key }) => !done.has(key));
    const keys = left.map(({ key }) => key);
    const [rows, circuits, clusters] = await Promise.all([
      leases.read(keys, "strong"),
      leases.circuits(),
      leases.clusters(),
    ]);
    for (const one of left) {
      const cluster = clusters.find(({ name }) => name === partsOf(one.key).cluster);
      const outcome = outcomeOf(one, rows.get(one.key), { cluster, circuits }, systemClock());
      if (outcome) done.set(one.key, outcome);
    }
    if (done.size === asked.length || systemClock() >= until) break;
    await sleep(flags.stack === undefined ? AGAIN_MS.local : AGAIN_MS.stack);
  }
  return asked.map((one) => done.get(one.key) ?? notDone(one));
}

function people(outcomes: readonly Told[]): string {
  const rows = outcomes.map(({ key, outcome, error }) => [
    key,
    outcome,
    error ? `${error.code}: ${error.message}` : "",
  ]);
  return table(["SYNC", "OUTCOME", "ERROR"], rows);
}
