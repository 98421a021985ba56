import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { healthByLua } from "./support/lua-health.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Place, placeIn } from "./support/place.ts";
import { HMAC_KEY_NAME, vsoIn } from "./support/vso.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const PASSWORD = "Lq8-heavy-weather";
const NAMES = ["a", "b", "c"];
const PATIENCE_MS = 90_000;

describe("a cluster without the key of VSO's MACs", () => {
  let world: World;
  let one: Place;
  let two: Place;
  let engine: RunningEngine;

  before(async () => {
    world = await startWorld({ clusters: ["one", "two"] });
    [one, two] = world.clusters.map((cluster) => placeIn(cluster, NS)) as [Place, Place];
    for (const cluster of world.clusters) await world.namespace(cluster, NS);
    await world.vault.putKv("kv1", "db", { password: PASSWORD });
    // One that has a MAC by a key that is not there any more.
    await two.declare("old", spec);
    await vsoIn(two.cluster).writeStatus(NS, "old", { password: "what it was" });
    await world.writeFleet(({ name }) => (name === "one" ? { makeHmacKey: false } : {}));
    engine = await startEngine(world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const spec = { type: "kv-v1", mount: "kv1", path: "db", refreshAfter: "10s" };
  const keyIn = async (cluster: Cluster): Promise<Buffer | undefined> => {
    const ref = { apiVersion: "v1", kind: "Secret", namespace: OPERATOR_NAMESPACE, name: HMAC_KEY_NAME };
    const text = (await cluster.get(ref))?.data?.key;
    return text === undefined ? undefined : Buffer.from(text, "base64");
  };
  const healthOf = async (place: Place, name: string): Promise<string> => {
    const found = await place.resource(name);
    assert.ok(found);
    return healthByLua(found).status;
  };
  const writesOfStatus = async (): Promise<number> => {
    const name = 'keyferry_kube_requests_total{verb="patch",resource="vaultstaticsecrets/status"}';
    const line = (await engine.metrics()).split("\n").find((text) => text.startsWith(name));
    return Number(line?.split(" ").at(-1) ?? 0);
  };

  it("forbidden in fleet.yaml: none is made, syncs have no MAC, and a script that judges by it never calls them healthy", async () => {
    for (const name of NAMES) await one.declare(name, spec);
    for (const name of NAMES) await one.synced(name);
    assert.equal(await keyIn(one.cluster), undefined);
    assert.deepEqual(
      await Promise.all(NAMES.map((name) => healthOf(one, name))),
      NAMES.map(() => "Degraded"),
    );
  });

  it("where a resource has a MAC already none is made: by another key, VSO would restart what it belongs to", async () => {
    // Its status says so since VSO wrote it: the Secret is ours, and a run that ends later would count as a write below.
    await two.secretThat("old", ({ data }) => data.password === PASSWORD, PATIENCE_MS);
    await two.synced("old");
    assert.equal(await keyIn(two.cluster), undefined);
    const why = await two.cluster.waitFor(
      "the reason",
      async () => engine.logs.find(({ event }) => event === "mac-key-not-made"),
      PATIENCE_MS,
    );
    assert.equal(why.cluster, "two");
    assert.match(String(why.because), /resources have MACs/);
  });

  it("allowed: it is made as VSO would, and each sync gets its MAC by one write of its status, once", async () => {
    assert.equal(await engine.stop(), 0);
    const secrets = await Promise.all(NAMES.map((name) => one.secret(name)));
    await world.writeFleet();
    engine = await startEngine(world);
    await one.cluster.waitFor(
      "all to be healthy",
      async () => (await Promise.all(NAMES.map((name) => healthOf(one, name)))).every((health) => health === "Healthy"),
      PATIENCE_MS,
    );
    const key = (await keyIn(one.cluster)) ?? assert.fail("no key");
    assert.equal(key.byteLength, 16);
    const macs = await Promise.all(
      NAMES.map(async (name) => ((await one.resource(name))?.status as { secretMAC?: string } | undefined)?.secretMAC),
    );
    assert.deepEqual(
      macs,
      secrets.map((secret) => vsoIn(one.cluster, key).macOf(secret?.data ?? {})),
    );
    // A sync that is declared now has its MAC from the first write of its status on.
    await one.declare("later", spec);
    await one.synced("later");
    assert.equal(await healthOf(one, "later"), "Healthy");
    assert.equal(await writesOfStatus(), NAMES.length + 1);
    assert.deepEqual(await Promise.all(NAMES.map((name) => one.secret(name))), secrets, "no Secret was written");
  });

  it("once made, it is made for good: a later start finds all as it should be", async () => {
    assert.equal(await engine.stop(), 0);
    const before = await Promise.all(NAMES.map((name) => one.resource(name)));
    engine = await startEngine(world);
    await one.declare("witness", spec);
    await one.synced("witness");
    assert.deepEqual(await Promise.all(NAMES.map((name) => one.resource(name))), before);
  });

  it("and nothing of it is seen elsewhere", async () => {
    assert.deepEqual(
      engine.logs.filter(({ level }) => level === "error"),
      [],
    );
    await assertNoLeak(world, engine, [PASSWORD, ((await keyIn(one.cluster)) ?? Buffer.alloc(1)).toString("base64")]);
  });
});
