import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { RolloutTarget } from "../../lib/ports/workloads.ts";
import type { Cluster } from "../harness/index.ts";
import { ARGO_ROLLOUT_CRD, aWorkload, WORKLOAD_CONTROLLERS } from "../workloads.ts";
import { seededRandom } from "./support/chaos.ts";
import { dataDirOf, keyferry, launchEngine, type RunningEngine, startEngine } from "./support/engine.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { aStaticSecret, shippedCrds, type World } from "./support/world.ts";

const NS = "team-a";
const SEED = Number(process.env.KEYFERRY_TEST_SEED ?? 11);
const KILLS = 8;
/** A restart comes some seconds after the write; the machine may be busy. */
const PATIENCE_MS = 120_000;

const deployment = (name: string): RolloutTarget => ({ kind: "Deployment", name });

describe("workloads are restarted when their Secret's data changed", () => {
  let world: World;
  let cluster: Cluster;
  let place: Place;
  let engine: RunningEngine;

  before(async () => {
    const crds = [...(await shippedCrds()), ARGO_ROLLOUT_CRD];
    ({ world, cluster, place } = await startPlace(NS, { crds, cluster: { controllers: WORKLOAD_CONTROLLERS } }));
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  const put = (path: string, password: string) => world.vault.putKv("kv", path, { password });
  const run = async (targets: readonly RolloutTarget[], spec: object = {}) =>
    void (await cluster.apply(targets.map((target) => aWorkload(NS, target, spec))));
  const generationOf = async (target: RolloutTarget): Promise<number> =>
    (await cluster.get(aWorkload(NS, target)))?.metadata.generation ?? 0;
  /** How often it was restarted: nothing else changes its spec here. */
  const restartsOf = async (target: RolloutTarget): Promise<number> => (await generationOf(target)) - 1;
  const restarted = (target: RolloutTarget, times: number) =>
    cluster.waitFor(
      `${times} restarts of ${target.kind} ${target.name}`,
      async () => (await restartsOf(target)) >= times,
      PATIENCE_MS,
    );
  const declare = (name: string, rolloutRestartTargets: readonly RolloutTarget[], more: object = {}) =>
    place.declare(name, { rolloutRestartTargets, ...more });
  /** A sync of one path with what it is to restart, as on its first day. */
  async function start(name: string, targets: readonly RolloutTarget[], more: object = {}): Promise<void> {
    await run(targets);
    await put(name, "one");
    await declare(name, targets, more);
  }
  const condition = async (name: string) => (await place.conditions(name)).RolloutRestart;
  const conditionThat = (name: string, status: string) =>
    cluster.waitFor(
      `RolloutRestart of ${name} to be ${status}`,
      async () => {
        const found = await condition(name);
        return found?.status === status && found;
      },
      PATIENCE_MS,
    );
  const secretWith = (name: string, password: string) =>
    place.secretThat(name, ({ data }) => data.password === password, PATIENCE_MS);

  /** A sync whose restart comes after all that was owed before it: when it came, everything else had its time. */
  let witnesses = 0;
  async function everyoneHadTheirTime(): Promise<void> {
    const name = `witness-${++witnesses}`;
    await start(name, [deployment(name)]);
    await place.synced(name, PATIENCE_MS);
    await put(name, "two");
    await restarted(deployment(name), 1);
  }

  const ALL: readonly RolloutTarget[] = (["Deployment", "StatefulSet", "DaemonSet", "argo.Rollout"] as const).map(
    (kind) => ({ kind, name: "all" }),
  );
  const SHARED = ["shared-a", "shared-b", "shared-c"];
  const KILLED = Array.from({ length: 6 }, (_, at) => `killed-${at}`);
  const LEFT_ALONE = ["calm", "kept", "moved", ...KILLED];
  const [there, nowhere, other, paused] = ["there", "nowhere", "other", "paused"].map(deployment) as [
    RolloutTarget,
    RolloutTarget,
    RolloutTarget,
    RolloutTarget,
  ];

  it("the first sync restarts nothing", async () => {
    await start("all", ALL);
    for (const name of SHARED) await start(name, [deployment("shared")]);
    for (const name of LEFT_ALONE) await start(name, [deployment(name)]);
    await start("silent", [deployment("silent")], { hmacSecretData: false });
    await run([there, other]);
    await run([paused], { paused: true });
    await put("partly", "one");
    await declare("partly", [nowhere, there]);
    await put("paused", "one");
    await declare("paused", [paused]);
    for (const name of ["all", "silent", "partly", "paused", ...SHARED, ...LEFT_ALONE]) {
      await place.synced(name, PATIENCE_MS);
      assert.equal(await condition(name), undefined, name);
    }
    await Promise.all(["all", "silent", "partly", "paused", ...SHARED].map((name) => put(name, "two")));
  });

  it("new data restarts all four kinds, with condition, event and a replica set", async () => {
    await Promise.all(ALL.map((target) => restarted(target, 1)));
    const { reason, message } = await conditionThat("all", "True");
    assert.deepEqual({ reason, message }, { reason: "RolloutRestartTriggered", message: "Rollout restart triggered" });
    // Told after the condition.
    const isTold = async () =>
      (await place.events("all")).some(
        (event) => event.type === "Normal" && event.reason === "RolloutRestartTriggered",
      );
    await cluster.waitFor("the event", isTold, PATIENCE_MS);
    const path = `/apis/apps/v1/namespaces/${NS}/replicasets?labelSelector=app%3Dall`;
    const isRolledOut = async () => (await cluster.request<{ items: unknown[] }>("GET", path)).body.items.length === 2;
    await cluster.waitFor("a second replica set", isRolledOut, PATIENCE_MS);
    await place.synced("all");
  });

  it("several syncs that change together restart what they share once", async () => {
    // Each says that it had its restart, by itself or by another's.
    for (const name of SHARED) await conditionThat(name, "True");
    const total = await restartsOf(deployment("shared"));
    assert.ok(total === 1 || (await wereFarApart(SHARED)), `${total} restarts`);
  });

  /** On a machine that took as long as the gathering for three writes, a second restart was due. */
  async function wereFarApart(names: readonly string[]): Promise<boolean> {
    const times = await Promise.all(
      names.map(async (name) => {
        const secret = await cluster.get({ apiVersion: "v1", kind: "Secret", namespace: NS, name });
        return (secret?.metadata.managedFields ?? []).map(({ time }) => Date.parse(String(time)));
      }),
    );
    return Math.max(...times.flat()) - Math.min(...times.flat()) >= 8_000;
  }

  it("a missing target is told and fails nothing; a declaration that names another is tried at once", async () => {
    const { reason, message } = await conditionThat("partly", "False");
    assert.equal(reason, "RolloutRestartTriggeredFailed");
    assert.match(message, /^TARGET_MISSING: there is no Deployment nowhere/);
    await restarted(there, 1);
    await place.synced("partly");
    const key = `one/VaultStaticSecret/${NS}/partly`;
    const at = ["--data-dir", dataDirOf(world)];
    const shown = await statusThat(world, "the restart that failed", ({ syncs }) =>
      syncs.some((sync) => sync.key === key && sync.state === "restart-failed"),
    );
    const { rollout } = shown.syncs.find((sync) => sync.key === key) ?? {};
    assert.ok(rollout && rollout.attempts > 0 && rollout.message?.startsWith("TARGET_MISSING: "));
    // While a refresh is under way, its state is "working".
    const line = /team-a\/partly +restart-failed .*TARGET_MISSING: there is no Deployment nowhere/;
    const table = async () => keyferry(["status", "--fleet", world.fleetPath, ...at]);
    const isShown = async () => [await table()].find(({ stdout }) => line.test(stdout));
    assert.equal((await cluster.waitFor("its line in the table", isShown, PATIENCE_MS)).code, 1);
    const story = await keyferry(["explain", key, ...at]);
    assert.equal(story.code, 1);
    assert.match(story.stdout, /Rollout: +restarts have been owed for .*\n +TARGET_MISSING: /);
    assert.match(await engine.metrics(), /^keyferry_rollouts_owed\{cluster="one",state="failed"\} [1-9]/m);
    const events = await place.events("partly");
    assert.equal(events.filter((event) => event.reason === "RolloutRestartFailed").length, 1);
    await declare("partly", [there, other]);
    await conditionThat("partly", "True");
    assert.deepEqual([await restartsOf(there), await restartsOf(other)], [1, 1]);
    await declare("partly", []);
    const isGone = async () => (await condition("partly")) === undefined;
    await cluster.waitFor("the condition to go", isGone, PATIENCE_MS);
  });

  it("a paused Deployment keeps its restart until it is resumed", async () => {
    assert.match((await conditionThat("paused", "False")).message, /^TARGET_PAUSED: /);
    assert.equal(await restartsOf(paused), 0);
    await run([paused], { paused: false });
    await place.touch("paused");
    await conditionThat("paused", "True");
    assert.equal(await restartsOf(paused), 2, "the resumption, and one restart");
  });

  it("what is no change of Vault's data restarts nothing: edits of declarations, hand edits, hmacSecretData: false", async () => {
    await place.patchSecret("calm", { data: { password: "eA==" } });
    await secretWith("calm", "one");
    await declare("calm", [deployment("calm")], { destination: { name: "calm", create: true, labels: { team: "a" } } });
    await place.secretThat("calm", ({ labels }) => labels.team === "a");
    await secretWith("silent", "two");
    await everyoneHadTheirTime();
    for (const name of [...LEFT_ALONE, "silent"]) assert.equal(await restartsOf(deployment(name)), 0, name);
    assert.deepEqual(await Promise.all(ALL.map(restartsOf)), [1, 1, 1, 1], "and who was restarted is left alone");
  });

  /** A declaration with its Secret as VSO leaves them. */
  async function asVsoLeavesIt(name: string, password: string): Promise<void> {
    const spec = { type: "kv-v1", mount: "kv1", rolloutRestartTargets: [deployment(name)] };
    const [declared] = await cluster.apply(aStaticSecret(NS, name, spec));
    const uid = declared?.metadata.uid ?? "";
    const labels = {
      "app.kubernetes.io/managed-by": "hashicorp-vso",
      "app.kubernetes.io/name": "vault-secrets-operator",
      "app.kubernetes.io/component": "secret-sync",
      "secrets.hashicorp.com/vso-ownerRefUID": uid,
    };
    const ownerReferences = [{ apiVersion: "secrets.hashicorp.com/v1beta1", kind: "VaultStaticSecret", name, uid }];
    const data = { password: btoa(password), _raw: btoa(JSON.stringify({ password })) };
    const body = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NS, labels, ownerReferences }, data };
    const made = await cluster.request("POST", `/api/v1/namespaces/${NS}/secrets?fieldManager=manager`, body);
    assert.equal(made.status, 201, made.text);
    const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/${NS}/vaultstaticsecrets/${name}/status`;
    const status = { lastGeneration: 1, secretMAC: "bWFj" };
    const options = { contentType: "application/merge-patch+json" };
    assert.equal((await cluster.request("PATCH", path, { status }, options)).status, 200);
  }

  it("kubernetes-rules 20, lease-table 25: a take-over from VSO, a new start and another digest key restart nothing, but for what Vault changed meanwhile", async () => {
    await engine.stop();
    await rm(join(dataDirOf(world), "digest.key"));
    for (const name of ["taken", "stale"]) {
      await run([deployment(name)]);
      await world.vault.putKv("kv1", name, { password: "now" });
    }
    await asVsoLeavesIt("taken", "now");
    await asVsoLeavesIt("stale", "before");
    engine = await startEngine(world);
    for (const name of LEFT_ALONE) await place.touch(name);
    await place.synced("taken", PATIENCE_MS);
    await restarted(deployment("stale"), 1);
    await everyoneHadTheirTime();
    for (const name of [...LEFT_ALONE, "taken"]) assert.equal(await restartsOf(deployment(name)), 0, name);
    assert.equal(await restartsOf(deployment("stale")), 1);
  });

  it(`kubernetes-rules 20: a lost table, then ${KILLS} kills between the writes and the restarts, lose none and repeat none`, async (t) => {
    await engine.stop();
    for (const file of ["state.sqlite", "state.sqlite-wal", "state.sqlite-shm"]) {
      await rm(join(dataDirOf(world), file), { force: true });
    }
    await put("moved", "two");
    engine = await startEngine(world);
    await secretWith("moved", "two");
    await Promise.all(KILLED.map((name) => put(name, "two")));
    await engine.kill();
    const random = seededRandom(SEED);
    for (let kill = 0; kill < KILLS; kill++) {
      await using short = launchEngine(world);
      await sleep(500 + random() * 2_500);
      assert.equal(short.child.exitCode, null, short.output());
      await short.kill();
    }
    engine = await startEngine(world);
    const owed = ["moved", ...KILLED];
    for (const name of owed) await restarted(deployment(name), 1);
    for (const name of owed) await conditionThat(name, "True");
    for (const name of owed) await secretWith(name, "two");
    await everyoneHadTheirTime();
    const times = await Promise.all(owed.map((name) => restartsOf(deployment(name))));
    t.diagnostic(`seed ${SEED}: ${times.join(" ")}`);
    assert.deepEqual(
      times,
      owed.map(() => 1),
    );
    for (const name of ["calm", "kept", "taken"]) assert.equal(await restartsOf(deployment(name)), 0, name);
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
  });
});
