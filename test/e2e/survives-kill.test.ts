import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Cluster } from "../harness/index.ts";
import { chaos, ownedSecrets, seededRandom } from "./support/chaos.ts";
import { launchEngine, runOnce, startEngine, status } from "./support/engine.ts";
import { placeIn } from "./support/place.ts";
import { startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const KILLS = 15;
const IN_STEP_MS = 90_000;
const SEED = Number(process.env.KEYFERRY_TEST_SEED ?? 7);

describe("kill -9 at any moment and a restart lose nothing", () => {
  let world: World;
  let cluster: Cluster;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    [cluster] = world.clusters as [Cluster];
    await world.namespace(cluster, NS);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
  });

  /** Every row is in step and no clean-up is left: a pass ends those that wait for a lease of the process before it. */
  const nothingIsStuck = () =>
    cluster.waitFor(
      "all in step",
      async () => {
        const { code, stderr } = await runOnce(world);
        assert.equal(code, 0, stderr);
        const { clusters, syncs } = await status(world);
        return clusters.every(({ state }) => state === "ok") && syncs.every(({ state }) => state === "synced");
      },
      60_000,
    );

  it(`lease-table 3, 4, 8: after ${KILLS} kills amid changes every Secret equals Vault, and none is left over`, async (t) => {
    const random = seededRandom(SEED);
    const people = chaos(world, cluster, NS, random);
    for (let step = 0; step < 12; step++) await people.step();
    const enough = new AbortController();
    const changing = people.run(150, enough.signal);
    for (let kill = 0; kill < KILLS; kill++) {
      await using engine = launchEngine(world);
      await sleep(300 + random() * 2_500);
      assert.equal(engine.child.exitCode, null, engine.output());
      await engine.kill();
    }
    enough.abort();
    await changing;

    const startedAt = performance.now();
    await using engine = await startEngine(world);
    const expected = people.expected();
    let seen = {};
    await cluster
      .waitFor(
        "Secrets as Vault has them",
        async () => {
          seen = await ownedSecrets(cluster, NS);
          return isDeepStrictEqual(seen, expected);
        },
        IN_STEP_MS,
      )
      .catch(() => assert.deepEqual(seen, expected, `seed ${SEED}\n${engine.output().slice(-6_000)}`));
    t.diagnostic(
      `${people.steps} changes; in step ${Math.round(performance.now() - startedAt)} ms after the last start`,
    );
    assert.equal(engine.logs.filter(({ event }) => event.endsWith("-crashed")).length, 0);
    assert.equal(await engine.stop(), 0);
    await nothingIsStuck();
  });

  it("lease-table 3: what happened while it was dead is made up for within seconds of the restart", async () => {
    const place = placeIn(cluster, NS);
    const before = await startEngine(world);
    for (const name of ["kept", "gone", "edited", "lost", "respelled", "again"]) {
      await world.vault.putKv("kv", name, { password: "one" });
      await place.declare(name);
    }
    for (const name of ["kept", "gone", "edited", "lost", "respelled", "again"]) await place.synced(name);
    const { uid } = await place.secretThat("again", () => true);
    await before.kill();

    await world.vault.putKv("kv", "kept", { password: "two" });
    await world.vault.putKv("kv", "made", { password: "two" });
    await place.undeclare("gone");
    await place.patchSecret("edited", { data: { password: "aGFja2Vk" } });
    await cluster.delete({ apiVersion: "v1", kind: "Secret", namespace: NS, name: "lost" });
    await place.declare("respelled", { path: "made", destination: { name: "other", create: true } });
    await place.declare("made");
    await place.undeclare("again");
    await place.declare("again");

    await using engine = await startEngine(world);
    const soon = 30_000;
    await Promise.all([
      place.secretThat("kept", ({ data }) => data.password === "two", soon),
      place.secretThat("made", ({ data }) => data.password === "two", soon),
      place.secretThat("edited", ({ data }) => data.password === "one", soon),
      place.secretThat("lost", ({ data }) => data.password === "one", soon),
      place.secretThat("other", ({ data }) => data.password === "two", soon),
      place.secretThat("again", (secret) => secret.uid !== uid && secret.data.password === "one", soon),
      cluster.waitFor("gone to go", async () => (await place.secret("gone")) === undefined, soon),
      cluster.waitFor("respelled to go", async () => (await place.secret("respelled")) === undefined, soon),
    ]);
    assert.equal(await engine.stop(), 0);
    await nothingIsStuck();
  });

  it("Ctrl-C finishes the work that is under way, and starts no other", async () => {
    const place = placeIn(cluster, NS);
    const names = ["flight-1", "flight-2", "flight-3"];
    for (const name of names) await world.vault.putKv("kv", name, { password: "landed" });
    await using engine = await startEngine(world);
    const claims = async () => {
      const [, count] =
        /^keyferry_store_operations_total\{operation="claim"\} (\d+)$/m.exec(await engine.metrics()) ?? [];
      return Number(count ?? 0);
    };
    world.vault.pause();
    const before = await claims();
    for (const name of names) await place.declare(name);
    await cluster.waitFor("work on all of them", async () => (await claims()) >= before + names.length);
    const stopped = engine.stop();
    await sleep(500);
    assert.equal(engine.child.exitCode, null, "it waits for its work");
    world.vault.resume();
    assert.equal(await stopped, 0);
    for (const name of names) assert.equal((await place.secret(name))?.data.password, "landed");
    const { syncs } = await status(world);
    assert.ok(syncs.every(({ state }) => state === "synced"));
  });
});
