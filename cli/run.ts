import { randomBytes } from "node:crypto";
import { awsAccess } from "../lib/aws/aws-access.ts";
import { SECOND_MS, systemClock, systemDeadline, systemSleep } from "../lib/clock.ts";
import { hubCopies } from "../lib/connect/hub-copies.ts";
import { lazyVault } from "../lib/connect/lazy-vault.ts";
import { type Engine, embeddedEngine } from "../lib/embedded/engine.ts";
import type { SyncError } from "../lib/errors.ts";
import { folderFiles } from "../lib/fleet/files.ts";
import type { Fleet } from "../lib/fleet/fleet.ts";
import { readFleet } from "../lib/fleet/read-fleet.ts";
import { budgetsOfFleet, reachOfFleet, trustAnchors } from "../lib/fleet/vaults.ts";
import { watchedFleet } from "../lib/fleet/watched-fleet.ts";
import { type LiveFleet, liveFleet } from "../lib/hubs/live-fleet.ts";
import type { ClusterClients } from "../lib/kubernetes/cluster-client.ts";
import type { LeaseStore } from "../lib/ports/store.ts";
import type { Log } from "../lib/ports/telemetry.ts";
import { isReferenceStatus } from "../lib/resource-kinds.ts";
import { damageReport } from "../lib/store/damage.ts";
import { openSqliteStore, type SqliteStore } from "../lib/store/sqlite/sqlite-store.ts";
import { lastGuard } from "../lib/telemetry/last-guard.ts";
import { jsonLog, type LogLevel } from "../lib/telemetry/log.ts";
import type { PrometheusMetrics } from "../lib/telemetry/metrics.ts";
import { goTemplates } from "../lib/templates/template-engine.ts";
import type { TokenCacheOptions } from "../lib/vault/token-cache.ts";
import { tokenSeals } from "../lib/vault/token-seals.ts";
import { vaultApi } from "../lib/vault/vault-api.ts";
import { type DataDir, openDataDir } from "./data-dir.ts";
import { onHangUp } from "./hang-up.ts";
import { startInjector } from "./injector/listener.ts";
import { listen } from "./listen.ts";
import { logLines } from "./log-lines.ts";
import { type EventFlags, runEvents } from "./run-events.ts";
import { type FollowedFleet, followedFleet, startedFleet } from "./run-fleet.ts";
import { openSocket, runInlets, runInstant } from "./run-inlets.ts";
import { exposeAll, runMetrics } from "./run-metrics.ts";
import { sleep, stopSignal, WITH_HANG_UP } from "./stop-signal.ts";

/** How long revoking tokens may take at exit. */
const REVOKE_MS = 5 * SECOND_MS;

export interface RunFlags extends EventFlags {
  readonly fleet: string;
  readonly dataDir: string;
  readonly once: boolean;
  readonly listen: string;
  readonly injectorListen?: string;
  readonly logLevel: LogLevel;
  readonly syncSeries: number;
  readonly acceptMissing: readonly string[];
}

/** Keeps a fleet in step in this process. */
export async function runCommand(flags: RunFlags): Promise<number> {
  const read = await readFleet(flags.fleet);
  using dataDir = openDataDir(flags.dataDir);
  const lines = logLines();
  const log = jsonLog(flags.logLevel, lines);
  if (dataDir.tightened.length > 0) log.warn("data-dir-tightened", { files: dataDir.tightened });
  const clock = systemClock;
  const measured = runMetrics(flags.syncSeries, clock);
  const { metrics } = measured;
  await using store = openSqliteStore({ path: dataDir.statePath, onDamage: damageReport({ log, metrics }) });
  await store.expireLeases(systemClock());
  using _guard = lastGuard(process, { log, metrics });
  await using events = await runEvents({ flags, leases: store, dataDir, clock, log, metrics });
  const file = watchedFleet({ path: flags.fleet, read, clock, sleep, log, metrics });
  const files = folderFiles(read.folder);
  const fleet = liveFleet(read.fleet, store);
  const cache = await tokenCacheOf(dataDir, store, log);
  const bounds = { reachOf: reachOfFleet(fleet.current), budgetOf: budgetsOfFleet(fleet.current), openSocket };
  const vaults = () => fleet.current().vaults;
  const access = lazyVault(() => ({ clock, log, metrics, files, vaults, ...bounds, cache }));
  const copies = hubCopies(cache, { clock, log });
  const connect = { files, clock, aws: awsAccess(clock), vault: access.open, copies, mayExec: true };
  const { passes, clients, apis } = await startedFleet({ flags, file, fleet, connect, access, leases: store, log });
  const vault = vaultApi({ clock, credentials: apis.credentials, log, metrics, cache, ...bounds });
  const templates = goTemplates(clock);
  exposeAll(metrics, store, clients, fleet.current);
  const instant = runInstant({ engine: () => engine, source: vault.events, leases: store, clock, log, metrics });
  const engine = embeddedEngine({
    deps: {
      leases: events.seeing(measured.seeing(store)),
      events,
      vault,
      ...{ issues: vault.issues, writes: vault.writes },
      seals: tokenSeals(cache),
      ...apis,
      templates,
      fleet: (name) => fleet.find(name),
      isFleetIncomplete: () => fleet.current().unread.length > 0,
      anchors: trustAnchors(vaults, files),
      ...{ digestKey: dataDir.digestKey, installation: dataDir.installation, clock },
      newHmacKey: () => randomBytes(16),
      ...{ random: Math.random, sleep: systemSleep, withDeadline: systemDeadline, instant, log, metrics },
    },
    clusters: fleet.current().clusters,
    ...{ isIncomplete: fleet.current().unread.length > 0, lookUps: store },
    acceptMissing: new Set(flags.acceptMissing),
  });
  try {
    if (flags.once) return await runOnce(engine, store, fleet.current(), log);
    await measured.remember(store, fleet.current());
    const beside = { engine, own: vault.own, files, dataDir, access, instant, fleet: fleet.current, posts: store };
    await using inlets = runInlets({ ...beside, clock, log, metrics });
    const parts = { file, fleet, passes, leases: store, engine, clients, access, copies, inlets };
    const followed = followedFleet({ ...parts, clock, log });
    await inlets.set(vaults());
    return await runOn(engine, followed, { flags, read, dataDir, fleet, clients, metrics, log });
  } finally {
    await closeAll({ vault, templates, clients, access });
    await lines.flushed();
  }
}

async function closeAll({
  vault,
  templates,
  clients,
  access,
}: {
  readonly vault: ReturnType<typeof vaultApi>;
  readonly templates: ReturnType<typeof goTemplates>;
  readonly clients: ClusterClients;
  readonly access: ReturnType<typeof lazyVault>;
}): Promise<void> {
  await vault.revokeAll(AbortSignal.timeout(REVOKE_MS));
  await vault.close();
  await templates.close();
  clients.close();
  await access.close();
}

/** The tokens of a killed process: this one uses or revokes them. */
async function tokenCacheOf(
  { tokenKeys, installation }: DataDir,
  store: SqliteStore,
  log: Log,
): Promise<TokenCacheOptions> {
  const tokens = store.tokens();
  const forgotten = tokenKeys.isNew ? await tokens.clearTokens() : 0;
  if (forgotten > 0) log.warn("vault-tokens-forgotten", { tokens: forgotten, because: "their key was lost" });
  return { store: tokens, keys: async () => tokenKeys.keys, installation, randomBytes };
}

/** What the listeners beside a running engine need. */
interface Beside {
  readonly flags: RunFlags;
  readonly read: { readonly folder: string };
  readonly dataDir: DataDir;
  readonly fleet: LiveFleet;
  readonly clients: ClusterClients;
  readonly metrics: PrometheusMetrics;
  readonly log: Log;
}

async function runOn(engine: Engine, following: FollowedFleet, beside: Beside): Promise<number> {
  const { flags, log, metrics } = beside;
  const stop = stopSignal((signal) => log.info("stop-asked", { signal }));
  using _hangUp = onHangUp(() => {
    log.info("reload-asked", { signal: "SIGHUP" });
    following.ask();
  });
  await using listening = await listen(flags.listen, { ...engine, registry: metrics.registry });
  await using _injector = await serveInjector(beside);
  log.info("engine-started", { listening: listening?.url ?? "none" });
  const over = new AbortController();
  const watching = following.watch(AbortSignal.any([stop, over.signal]));
  try {
    await engine.run(stop);
  } finally {
    over.abort();
    await watching;
  }
  log.info("engine-stopped");
  return 0;
}

function serveInjector(beside: Beside): Promise<AsyncDisposable | undefined> {
  const { flags, read, dataDir, fleet } = beside;
  const where = { listen: flags.injectorListen, folder: read.folder, dataDir: dataDir.path };
  return startInjector({ ...beside, ...where, fleet: fleet.current, clock: systemClock, randomBytes, sleep });
}

async function runOnce(engine: Engine, store: LeaseStore, fleet: Fleet, log: Log): Promise<number> {
  const stop = stopSignal((signal) => log.info("stop-asked", { signal }), WITH_HANG_UP);
  const errors: readonly SyncError[] = await engine.once(stop);
  const rows = await Promise.all(fleet.clusters.map((cluster) => store.byCluster(cluster.name)));
  const syncs = rows.flat().filter(({ key }) => !isReferenceStatus(key));
  const failed = syncs.filter((row) => row.error !== undefined);
  const open = await store.circuits();
  log.info("pass-ended", { syncs: syncs.length, failed: failed.length, clustersFailed: errors.length });
  return failed.length + errors.length + open.length > 0 ? 1 : 0;
}
