import { randomUUID } from "node:crypto";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dataDirOf, type RunningEngine, startEngine, status } from "../e2e/support/engine.ts";
import { type Place, placeIn } from "../e2e/support/place.ts";
import { silentPort } from "../e2e/support/silent-port.ts";
import { authMount, startWorld, type World } from "../e2e/support/world.ts";
import { type Dice, dice } from "./dice.ts";
import { type Report, tally } from "./report.ts";
import { type ScriptedCluster, scriptedCluster } from "./scripted-cluster.ts";
import { type ScriptedVault, scriptedVault } from "./scripted-vault.ts";
import { actBadly, type Targets } from "./tenant.ts";

const HONEST = "honest";
const MALLORY = "mallory";
/** Where it pretends that another controller is at work: keyferry stands back from there. */
const OF_ANOTHER = "mallory-of-another";
const SYNCS = 8;
const REFRESH = "3s";
/** What the honest may wait for in vain before it counts as broken. */
const PATIENCE_MS = 60_000;
/** Of the process at its worst, and of its state on disk. */
const MAX_RSS_MIB = 450;
const MAX_STATE_MIB = 64;
/** Requests in a minute to a cluster that refuses each of them for a second: its pauses grow to 30 s. */
const MAX_THROTTLED_A_MINUTE = 20;

export interface FleetOptions {
  readonly seed: number;
  /** Acts of the hostile tenant. */
  readonly acts: number;
  /** Whether it counts as broken that the honest wait twice as long as alone: times are nothing for a test to assert. */
  readonly judgesTimes?: boolean;
}

interface Scene {
  readonly world: World;
  readonly engine: RunningEngine;
  readonly honest: readonly Place[];
  readonly evil: ScriptedCluster;
  /** It answers each request with 429. */
  readonly throttling: ScriptedCluster;
  readonly startedAt: number;
  readonly vault: ScriptedVault;
  readonly targets: Targets;
  /** In every value of the honest: where it turns up elsewhere, something leaked. */
  readonly marker: string;
}

/**
 * The engine as its users run it, with an honest tenant in two clusters; beside them a tenant with edit rights in a
 * namespace of its own, a Vault that answers at random, a cluster whose API server does, one whose API server throttles
 * everything, and one that is gone.
 */
export async function hostileFleet({ seed, acts, judgesTimes = false }: FleetOptions): Promise<Report> {
  await using started = new AsyncDisposableStack();
  const world = started.use(await startWorld({ clusters: ["one", "two"] }));
  const vault = started.use(await scriptedVault(seed, `${world.vault.address}/v1/kv/data/s-0`));
  const silent = started.use(await silentPort());
  const evil = started.use(
    await scriptedCluster({
      seed,
      badness: 0.04,
      lineBadness: 0.5,
      declarations: 30,
      vault: vault.address,
      watchLines: 2_000,
    }),
  );
  const throttling = started.use(
    await scriptedCluster({ seed, badness: 0, lineBadness: 0, declarations: 0, vault: vault.address, throttlesS: 1 }),
  );
  const gone = started.use(await scriptedCluster({ seed, badness: 0, lineBadness: 0, declarations: 0, vault: "" }));
  await gone[Symbol.asyncDispose]();
  const marker = `honest-${randomUUID()}`;
  const honest = world.clusters.map((cluster) => placeIn(cluster, HONEST));
  await declareHonest(world, honest, marker);
  await writeFleet(world, vault, { evil, throttling, gone });
  const startedAt = performance.now();
  const engine = started.use(await startEngine(world, { args: ["--log-level", "info"] }));
  const targets: Targets = {
    namespace: MALLORY,
    ofAnother: OF_ANOTHER,
    vault: world.vault.address,
    ownVault: vault.address,
    silent: silent.address,
    victim: { namespace: HONEST, path: "s-0" },
  };
  const scene: Scene = { world, engine, honest, evil, throttling, startedAt, vault, targets, marker };
  const thrown = dice(seed);
  const done = tally();
  const missed: string[] = [];
  const alone = await followTimes(scene, thrown, 6, missed);
  const [beside] = await Promise.all([
    followTimes(scene, thrown, Math.max(6, Math.ceil(acts / 100)), missed),
    hostilities(scene, thrown, acts, done.add),
  ]);
  const broke: string[] = [...missed.map((what) => `seed ${seed}: ${what}`), ...(await judge(scene, seed))];
  const tried = {
    ...done.counts,
    "answers of the hostile Vault": vault.answers,
    "answers and lines of the hostile API server": evil.answers,
    "requests to the API server that throttles": throttling.answers,
    "honest change followed, alone, p50 ms": quantile(alone, 0.5),
    "honest change followed, alone, p99 ms": quantile(alone, 0.99),
    "honest change followed, beside them, p50 ms": quantile(beside, 0.5),
    "honest change followed, beside them, p99 ms": quantile(beside, 0.99),
  };
  if (judgesTimes && quantile(beside, 0.99) > 2 * quantile(alone, 0.99)) {
    broke.push(`seed ${seed}: the honest waited more than twice as long as alone`);
  }
  return { part: "a hostile tenant, Vault and API server beside honest ones", tried, broke };
}

/** In whole ms. */
function quantile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
}

async function declareHonest(world: World, honest: readonly Place[], marker: string): Promise<void> {
  // A role that reads what is the victim's, and one for everybody else.
  await world.vault.writePolicy("honest", 'path "kv/data/s-*" { capabilities = ["read"] }');
  await world.vault.writePolicy("app", 'path "kv/data/public" { capabilities = ["read"] }');
  for (let at = 0; at < SYNCS; at++) await world.vault.putKv("kv", `s-${at}`, { value: `${marker}-first` });
  for (const { cluster } of honest) {
    for (const name of [HONEST, MALLORY, OF_ANOTHER]) await world.namespace(cluster, name);
    await world.vault.write(`auth/${authMount(cluster)}/role/honest`, {
      bound_service_account_names: ["app"],
      bound_service_account_namespaces: [HONEST],
      token_policies: ["honest"],
      token_ttl: "1h",
    });
    const kubernetes = { role: "honest", serviceAccount: "app" };
    await cluster.apply({
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultAuth",
      metadata: { name: "own", namespace: HONEST },
      spec: { method: "kubernetes", mount: authMount(cluster), kubernetes },
    });
  }
  for (const place of honest) {
    for (let at = 0; at < SYNCS; at++) await place.declare(`s-${at}`, { vaultAuthRef: "own", refreshAfter: REFRESH });
  }
}

async function writeFleet(
  world: World,
  { address: stsEndpoint }: ScriptedVault,
  bad: Readonly<Record<string, ScriptedCluster>>,
): Promise<void> {
  // A tenant's own would lie on loopback, where it is not asked.
  await world.writeFleet(() => ({ vault: { stsEndpoint } }));
  const fleet = JSON.parse(await readFile(world.fleetPath, "utf8")) as { clusters: object[] };
  for (const [name, { url }] of Object.entries(bad)) {
    const tokenFile = join(world.folder, `${name}.token`);
    await writeFile(tokenFile, `token-for-the-cluster-${name}`);
    const connect = { server: { url, insecure: true, tokenFile } };
    fleet.clusters.push({ name, connect, namespaces: { include: ["*"] } });
  }
  await writeFile(world.fleetPath, JSON.stringify(fleet));
}

/** Changes in Vault of one honest sync after the other, and how long each took to reach both clusters. */
async function followTimes(
  { world, honest, marker }: Scene,
  thrown: Dice,
  count: number,
  missed: string[],
): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let at = 0; at < count; at++) {
    const name = `s-${thrown.int(SYNCS)}`;
    const value = `${marker}-${at}-${thrown.int(1_000_000)}`;
    await world.vault.putKv("kv", name, { value });
    const startedAt = performance.now();
    try {
      for (const place of honest) await place.secretThat(name, ({ data }) => data.value === value, PATIENCE_MS);
    } catch {
      missed.push(`a change of the honest ${name} was not followed within ${PATIENCE_MS / 1_000} s`);
      return [...samples, PATIENCE_MS];
    }
    samples.push(performance.now() - startedAt);
  }
  return samples;
}

async function hostilities(scene: Scene, thrown: Dice, acts: number, did: (what: string) => void): Promise<void> {
  const [place] = scene.honest;
  if (!place) throw new Error("no cluster");
  for (let at = 0; at < acts; at++) {
    did(await actBadly(place.cluster, thrown, scene.targets));
    // Some time to be taken in, as one act after the other would be.
    if (at % 20 === 0) await sleep(20);
  }
}

async function judge(scene: Scene, seed: number): Promise<readonly string[]> {
  const { engine, world, marker } = scene;
  const said = `seed ${seed}: `;
  const broke: string[] = [];
  if (engine.child.exitCode !== null || engine.child.signalCode !== null) {
    return [`${said}the process ended: ${engine.output().slice(-2_000)}`];
  }
  const { syncs } = await status(world);
  for (const { key, state, error } of syncs) {
    if (key.includes(`/VaultStaticSecret/${HONEST}/`) && error !== undefined) {
      broke.push(`${said}${key} is ${state}: ${error.code} ${error.message}`);
    }
  }
  broke.push(...(await leaks(scene)).map((leak) => said + leak));
  const minutes = Math.max(1, (performance.now() - scene.startedAt) / 60_000);
  if (scene.throttling.answers > MAX_THROTTLED_A_MINUTE * minutes) {
    broke.push(`${said}a cluster that throttles got ${scene.throttling.answers} requests in ${minutes} minutes`);
  }
  const crashed = engine.logs.filter(({ event }) => /crashed|unhandled/.test(event));
  broke.push(...crashed.slice(0, 5).map((line) => `${said}${JSON.stringify(line).slice(0, 600)}`));
  if (engine.output().includes(marker)) broke.push(`${said}a value stands in the log`);
  const rssMiB = await peakRssMiB(engine.child.pid ?? 0);
  if (rssMiB > MAX_RSS_MIB) broke.push(`${said}the process took ${rssMiB.toFixed(0)} MiB`);
  const state = (await stat(join(dataDirOf(world), "state.sqlite"))).size / 1_048_576;
  if (state > MAX_STATE_MIB) broke.push(`${said}the state took ${state.toFixed(0)} MiB`);
  return broke;
}

/** What belongs to the honest, seen where it must not be. */
async function leaks({ world, honest, evil, vault, marker }: Scene): Promise<readonly string[]> {
  const found: string[] = [];
  for (const [who, received] of [
    ["the hostile Vault", vault.received] as const,
    ["the hostile API server", evil.received] as const,
  ]) {
    if (received.some((text) => text.includes(marker))) found.push(`${who} was sent an honest value`);
    if (received.some((text) => text.includes(world.vault.token))) found.push(`${who} was sent a token`);
  }
  const jwts = vault.received.flatMap((text) => text.match(/eyJ[\w-]+\.[\w-]+\.[\w-]+/g) ?? []);
  for (const jwt of new Set(jwts)) {
    const claims = Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString("utf8");
    if (claims.includes(`"namespace":"${HONEST}"`))
      found.push("the hostile Vault was sent a token of an honest account");
  }
  for (const { cluster } of honest) {
    const { text } = await cluster.request("GET", `/api/v1/namespaces/${MALLORY}/secrets`);
    const values = [...text.matchAll(/"([A-Za-z0-9+/=]{16,})"/g)].map(([, value = ""]) =>
      Buffer.from(value, "base64").toString("utf8"),
    );
    if (values.some((value) => value.includes(marker)))
      found.push(`an honest value stands in ${MALLORY} of ${cluster.name}`);
  }
  return found;
}

async function peakRssMiB(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  return Number(/VmHWM:\s+(\d+)/.exec(text)?.[1] ?? 0) / 1_024;
}
