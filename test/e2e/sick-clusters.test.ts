import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type SickClusters, startSickClusters } from "./support/sick-clusters.ts";

const SYNCS = 5;
const CHANGES = 8;
/** For each sick cluster: probes, watch passes, and what their syncs ask. */
const REQUESTS_A_MINUTE = 60;

describe("a fleet with clusters that are stopped, slow, or refuse our login", () => {
  let scene: SickClusters;
  let engine: RunningEngine | undefined;
  before(async () => {
    scene = await startSickClusters();
    const { world, healthy, sick } = scene;
    for (let at = 0; at < SYNCS; at++) await world.vault.putKv("kv", `s-${at}`, { value: "first" });
    for (const place of [healthy, sick.gone, sick.slow, sick.dead]) {
      for (let at = 0; at < SYNCS; at++) await place.declare(`s-${at}`, { refreshAfter: "3s" });
    }
    await sick.gone.cluster.servers.api.kill();
    await scene.writeFleet("all");
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await scene?.[Symbol.asyncDispose]();
  });

  it("the healthy cluster follows each change, and the sick ones cost few requests", async () => {
    const { world, healthy, sick } = scene;
    engine = await startEngine(world, { args: ["--log-level", "info"] });
    const startedAt = performance.now();
    for (let change = 0; change < CHANGES; change++) {
      const name = `s-${change % SYNCS}`;
      await world.vault.putKv("kv", name, { value: `change-${change}` });
      await healthy.secretThat(name, ({ data }) => data.value === `change-${change}`, 30_000);
    }
    // The slow cluster is slow, and not out of reach: its syncs are done all the same.
    for (let at = 0; at < SYNCS; at++) await sick.slow.secretThat(`s-${at}`, () => true, 60_000);
    const { syncs, clusters } = await status(world);
    const failed = syncs.filter(({ key, error }) => key.startsWith("healthy/") && error !== undefined);
    assert.deepEqual(failed, []);
    const codes = Object.fromEntries(clusters.map(({ name, error }) => [name, error?.code]));
    assert.deepEqual(
      { healthy: codes.healthy, gone: codes.gone, dead: codes.dead },
      { healthy: undefined, gone: "KUBE_UNREACHABLE", dead: "KUBE_LOGIN_REFUSED" },
    );
    const minutes = Math.max(1, (performance.now() - startedAt) / 60_000);
    const refused = await scene.refusedLogins();
    assert.ok(refused > 0 && refused <= REQUESTS_A_MINUTE * minutes, `${refused} refused logins`);
    // Each sync has a few requests of its own at first; after that its refreshes ask the cluster nothing.
    const allowed = REQUESTS_A_MINUTE * minutes + SYNCS * 10;
    assert.ok(scene.slowRequests() <= allowed, `${scene.slowRequests()} requests to the slow cluster`);
    assert.equal(engine.logs.filter(({ event }) => event.endsWith("-crashed")).length, 0);
  });
});
