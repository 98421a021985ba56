import assert from "node:assert/strict";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Cluster, waitFor } from "../harness/index.ts";
import { dataDirOf, keyferry, type RunningEngine, startEngine } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { startWorld, vaultsOf, type World } from "./support/world.ts";

const NS = "team-a";
const SELDOM = { refreshAfter: "12h" };
/** Pods, and an engine in its own process, on a machine that others use too. */
const PATIENCE_MS = 60_000;

describe("fleet.yaml changes while keyferry runs", () => {
  let world: World;
  let one: Place;
  let two: Place;
  let engine: RunningEngine;

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"] });
    for (const cluster of world.clusters) await world.namespace(cluster, NS);
    [one, two] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place];
    await world.vault.putKv("kv", "db", { password: "first" });
    for (const place of [one, two]) await place.declare("db", SELDOM);
    await world.writeFleet(({ name }) => (name === "two" ? undefined : {}));
    engine = await startEngine(world);
    await one.synced("db", PATIENCE_MS);
  });
  after(() => endAll(engine, world));

  const heard = (event: string) => engine.logs.filter((line) => line.event === event);
  /** By a connection of its own: one that was kept may be closed just when it is used again. */
  const page = (name: string) => fetch(`${engine.url}/${name}`, { headers: { connection: "close" } });
  const only = (wanted: string, more: object = {}) =>
    world.writeFleet(({ name }: Cluster) => (name === wanted ? more : undefined));

  it("takes up a cluster that joins, without a restart", async () => {
    assert.equal(await two.secret("db"), undefined);
    await world.writeFleet();
    await two.secretThat("db", ({ data }) => data.password === "first", PATIENCE_MS);
    await two.synced("db", PATIENCE_MS);
    await waitFor("the log", async () => String(heard("fleet-changed").at(-1)?.added) === "two");
    // Ready once all kinds of it are listed, and not the one alone that is in step.
    await waitFor("it to be taken in", async () => (await page("readyz")).status === 200, PATIENCE_MS);
  });

  it("carries changed settings out at once, also for what is refreshed seldom", async () => {
    assert.ok((await one.secret("db"))?.data._raw);
    await world.writeFleet(({ name }) => (name === "one" ? { globalTransformationOptions: { excludeRaw: true } } : {}));
    await one.secretThat("db", ({ data }) => data._raw === undefined, PATIENCE_MS);
    await waitFor("the log", async () => String(heard("fleet-changed").at(-1)?.changed) === "one");
    assert.ok((await two.secret("db"))?.data._raw, "the other cluster's Secret is as it was");
  });

  it("goes on with the fleet that it had while the file is broken, and says so", async () => {
    const good = await readFile(world.fleetPath, "utf8");
    await writeFile(world.fleetPath, "apiVersion: keyferry.dev/v1alpha1\nkind: Fleet\nclusters: [{name: ONE}]\n");
    const [told] = await waitFor(
      "the complaint",
      async () => heard("fleet-unreadable").length > 0 && heard("fleet-unreadable"),
    );
    assert.equal(told?.level, "error");
    assert.match(String(told?.message), /fleet\.yaml:3: clusters\[0\]\.name: must be lower-case/);
    assert.match(await engine.metrics(), /^keyferry_fleet_unreadable_total [1-9]/m);
    await world.vault.putKv("kv", "db", { password: "second" });
    for (const place of [one, two]) {
      await place.touch("db");
      await place.secretThat("db", ({ data }) => data.password === "second", PATIENCE_MS);
    }
    // Its Secret is written a moment before its row says that the work is over.
    const shown = await waitFor("the status of a sync that is in step", async () => {
      const ran = await keyferry(["status", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world)]);
      return /one\/VaultStaticSecret\/team-a\/db +synced/.test(ran.stdout) && ran;
    });
    assert.equal(shown.code, 1);
    assert.match(shown.stderr, /fleet\.yaml:3: /);
    await writeFile(world.fleetPath, good);
    await waitFor("the file to be read again", async () => heard("fleet-unchanged").length > 0);
  });

  it("lease-table 18: releases a cluster that leaves: its Secret stays, its rows go, nobody looks at it", async () => {
    await only("one");
    await statusThat(world, "two to be gone", ({ clusters }) => clusters.every(({ name }) => name !== "two"));
    await waitFor("the log", async () => String(heard("fleet-changed").at(-1)?.departed) === "two");
    await waitFor("its release", async () => heard("cluster-released").some(({ cluster }) => cluster === "two"));
    assert.equal((await two.secret("db"))?.data.password, "second");
    await two.declare("late", { path: "db" });
    await one.declare("late", { path: "db" });
    await one.synced("late", PATIENCE_MS);
    assert.equal(await two.secret("late"), undefined);
  });

  it("reads it again at SIGHUP, and lives", async () => {
    engine.child.kill("SIGHUP");
    const [asked] = await waitFor("the wish", async () => heard("reload-asked").length > 0 && heard("reload-asked"));
    const at = engine.logs.lastIndexOf(asked ?? { event: "", level: "" });
    await waitFor("the answer", async () => engine.logs.slice(at).some(({ event }) => event === "fleet-unchanged"));
    assert.equal(engine.child.exitCode, null);
    assert.equal((await page("healthz")).status, 200);
  });

  it("follows the links of a mounted ConfigMap, and revokes its tokens at the end", async () => {
    assert.equal(await engine.stop(), 0);
    const folder = join(world.folder, "mounted");
    const version = async (name: string, clusters: readonly Cluster[]) => {
      await mkdir(join(folder, name), { recursive: true });
      const entries = clusters.map((cluster) => ({
        name: cluster.name,
        connect: { kubeconfig: { path: cluster.kubeconfigPath } },
      }));
      const vaults = await vaultsOf(world.vault);
      const text = JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", vaults, clusters: entries });
      await writeFile(join(folder, name, "fleet.yaml"), text);
    };
    const point = async (name: string) => {
      await rm(join(folder, "..tmp"), { force: true });
      await symlink(name, join(folder, "..tmp"));
      await rename(join(folder, "..tmp"), join(folder, "..data"));
    };
    await version("..one", [one.cluster]);
    await point("..one");
    const path = join(folder, "fleet.yaml");
    await symlink("..data/fleet.yaml", path);
    engine = await startEngine({ ...world, fleetPath: path });
    await version("..both", [one.cluster, two.cluster]);
    await point("..both");
    await two.secretThat("late", ({ data }) => data.password === "second", PATIENCE_MS);
    const both = ["db", "late"].map((name) => `two/VaultStaticSecret/${NS}/${name}`);
    const { clusters } = await statusThat(world, "both syncs of two in step", ({ syncs }) =>
      both.every((key) => syncs.some((sync) => sync.key === key && sync.state === "synced")),
    );
    assert.deepEqual(
      clusters.map(({ name }) => name),
      ["one", "two"],
    );
    const { length } = await world.vault.auditLines();
    engine.child.kill("SIGHUP");
    assert.equal(await engine.stop(), 0);
    const lines = (await world.vault.auditLines()).slice(length);
    assert.ok(lines.some(({ request }) => request.path === "auth/token/revoke-self"));
    const crashed = engine.logs.filter(({ event, level }) => event.endsWith("-crashed") || level === "error");
    assert.deepEqual(crashed, []);
  });

  it("plan says what a run would release, and that its Secrets stay", async () => {
    await only("one");
    const at = ["--fleet", world.fleetPath, "--data-dir", dataDirOf(world)];
    const plan = async (...args: readonly string[]) => keyferry(["plan", ...args, ...at]);
    const json = await plan("-o", "json");
    assert.equal(json.code, 3, json.stderr);
    const { syncs, departed, summary } = JSON.parse(json.stdout) as {
      syncs: { key: string; action: string; because: string; releases: string[] }[];
      departed: string[];
      summary: Record<string, number>;
    };
    const released = syncs.filter(({ action }) => action === "release");
    assert.deepEqual(
      released.map(({ key, releases }) => [key, releases]),
      ["db", "late"].map((name) => [`two/VaultStaticSecret/${NS}/${name}`, [name]]),
    );
    assert.deepEqual(departed, ["two"]);
    assert.equal(summary.release, 2);
    const text = await plan("two/*");
    assert.equal(text.code, 3);
    assert.match(text.stdout, /^x two\/VaultStaticSecret\/team-a\/db +release: .*left fleet\.yaml/m);
    assert.match(text.stdout, /Secret db stays as it is/);
    assert.match(text.stdout, /2 syncs: 2 release\n$/);
    await only("one", { namespaces: { include: ["others"] } });
    const narrower = await plan("one/*");
    assert.equal(narrower.code, 3);
    assert.match(narrower.stdout, /one\/VaultStaticSecret\/team-a\/db +release: .*namespace/);
  });
});
