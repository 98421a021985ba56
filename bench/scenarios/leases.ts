import { setTimeout as sleep } from "node:timers/promises";
import type { RunningEngine } from "../../test/e2e/support/engine.ts";
import { aDynamicSecret, ISSUING_POLICY } from "../../test/e2e/support/issuing.ts";
import { ROLE } from "../../test/e2e/support/world.ts";
import { startPostgres } from "../../test/harness/postgres.ts";
import { type Figure, figure, mustBe } from "../figures.ts";
import { inParallel, NAMESPACE, type Setting, startSetting, sum, until } from "../setting.ts";
import { usageOf } from "../usage.ts";

export interface LeasesOptions {
  /** Of 60 s. A tenth of it is the number of leases of 15 s; half of it syncs are refreshed each 30 s; twice of it are new. */
  readonly leases: number;
  readonly minutes: number;
}

/** So long nothing but renewals happens, to see what they cost. */
const ALONE_MS = 60_000;
const SET_UP_MS = 900_000;

/** Leases that must be renewed all the time, alone and beside refreshes and first syncs: none may expire. */
export async function leases({ leases: count, minutes }: LeasesOptions): Promise<readonly Figure[]> {
  const [short, refreshed, first] = [Math.ceil(count / 10), Math.ceil(count / 2), count * 2];
  const total = count + short;
  await using setting = await startSetting();
  await using _database = await databaseThatDoesNothing(setting);
  await using engine = await setting.engine();
  const written = () => engine.logs.filter(({ event }) => event === "secret-written").length;
  await declareLeases(setting, "minute", count);
  await declareLeases(setting, "short", short);
  await until(`${total} leases`, SET_UP_MS, async () => written() >= total);
  await sleep(10_000);
  const before = await leasesOf(setting);

  const alone = await watch(engine, () => sleep(ALONE_MS));
  await setting.declare(refreshed, "30s");
  const beside = await watch(engine, async () => {
    const end = sleep(minutes * 60_000);
    await setting.declare(first, "1h", "first");
    await until(`${first} first syncs`, SET_UP_MS, async () => written() >= total + refreshed + first);
    await end;
  });
  const after = new Set(await leasesOf(setting));
  const kept = before.filter((lease) => after.has(lease)).length;
  if (kept < total) tellTroubles(engine);
  const name = "leases beside syncs";
  return [
    figure("leases", `leases of 60 s (${count}) and of 15 s (${short})`, before.length, "", `${total}`),
    ...costOf("leases alone", alone),
    figure(name, "refreshes meanwhile", beside.moved("keyferry_syncs_total", { result: "unchanged" }), ""),
    figure(name, "first syncs meanwhile", beside.moved("keyferry_syncs_total", { result: "settled" }), ""),
    ...costOf(name, beside).filter(({ name: of }) => !of.startsWith("CPU")),
    mustBe(name, "expired or reissued leases, by Vault's own list", total - kept, 0),
  ];
}

/** On stderr: what the engine complained of, and how often. */
function tellTroubles({ logs }: RunningEngine): void {
  const troubles = logs.filter(({ level }) => level === "warn" || level === "error");
  const alike = Object.groupBy(troubles, ({ event, code, because, message = "" }) =>
    [event, code, because, String(message).slice(0, 160)].filter((part) => part !== undefined).join(" "),
  );
  for (const [what, lines = []] of Object.entries(alike)) process.stderr.write(`${lines.length} x ${what}\n`);
}

/** What engine and Vault did meanwhile. */
interface Watched {
  readonly cpuMs: number;
  readonly rssMiB: number;
  moved(name: string, labels?: Readonly<Record<string, string>>): number;
}

async function watch(engine: RunningEngine, work: () => Promise<unknown>): Promise<Watched> {
  const pid = engine.child.pid ?? 0;
  const [then, usedThen] = [await engine.metrics(), await usageOf(pid)];
  await work();
  const [now, used] = [await engine.metrics(), await usageOf(pid)];
  return {
    cpuMs: used.cpuMs - usedThen.cpuMs,
    rssMiB: used.rssMiB,
    moved: (name, labels = {}) => sum(now, name, labels) - sum(then, name, labels),
  };
}

function costOf(scenario: string, { cpuMs, rssMiB, moved }: Watched): readonly Figure[] {
  const renewals = moved("keyferry_issue_renewals_total");
  const store = (operation: string) => moved("keyferry_store_operations_total", { operation });
  const ofTicks = store("moveDispatched") + store("claimCluster") + store("saveCluster");
  const others = renewals - moved("keyferry_issue_renewals_total", { result: "renewed" });
  const isAlone = moved("keyferry_syncs_total") === 0;
  return [
    figure(scenario, "renewals", renewals, ""),
    figure(scenario, "CPU per renewal, everything included", cpuMs / renewals, "ms"),
    figure(scenario, "Vault calls per renewal", moved("keyferry_vault_renewals_total") / renewals, "", "<= 2"),
    ...(isAlone
      ? [
          figure(scenario, "store writes of renewals", store("writes") - ofTicks, "", "0"),
          figure(
            scenario,
            "store reads of rows and targets per renewal",
            (store("read") + store("target")) / renewals,
            "",
          ),
        ]
      : []),
    mustBe(scenario, "renewals that were not answered, or refused", others, 0),
    figure(scenario, "RSS", rssMiB, "MiB"),
  ];
}

/**
 * A real database engine of Vault whose statements make no user: a thousand users would cost PostgreSQL more than
 * keyferry's part, which is the same.
 */
async function databaseThatDoesNothing({ world: { vault } }: Setting): Promise<AsyncDisposable> {
  const postgres = await startPostgres();
  await vault.writePolicy(ROLE, ISSUING_POLICY);
  await vault.enableDatabase(postgres);
  const nothing = ["SELECT 1;"];
  for (const [role, ttl] of Object.entries({ minute: "60s", short: "15s" })) {
    await vault.write(`database/roles/${role}`, {
      ...{ db_name: "postgres", default_ttl: ttl, max_ttl: "24h" },
      ...{ creation_statements: nothing, renew_statements: nothing, revocation_statements: nothing },
    });
  }
  return postgres;
}

async function declareLeases({ cluster }: Setting, role: "minute" | "short", count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, at) => `${role}-${at}`);
  await inParallel(names, async (name) => {
    await cluster.apply(aDynamicSecret(NAMESPACE, name, { path: `creds/${role}` }));
  });
}

/** Vault's own list. */
async function leasesOf({ world: { vault } }: Setting): Promise<readonly string[]> {
  return [...(await vault.leases("database/creds/minute")), ...(await vault.leases("database/creds/short"))];
}
