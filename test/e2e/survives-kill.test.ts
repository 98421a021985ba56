import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { Cluster } from "../harness/index.ts";
import { chaos, ownedSecrets, seededRandom } from "./support/chaos.ts";
import { launchEngine, runOnce, type StatusAnswer, startEngine, status } from "./support/engine.ts";
import { placeIn, type SecretView } from "./support/place.ts";
import { statusThat } from "./support/status-that.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const FLIGHTS = "flights";
const KILLS = 15;
const IN_STEP_MS = 90_000;
/** Less than a row waits for a lease of a process that is gone, if nothing ends it at the start. */
const SOON_MS = 60_000;
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
    const { uid } = (await place.resource("again"))?.metadata ?? assert.fail("again is declared");
    // Whether the collector was faster than the engine or not: the Secret is the new declaration's, and stays.
    const isOfNewOne = ({ ownerReferences }: SecretView) =>
      ownerReferences.length === 1 && ownerReferences[0]?.uid === uid;

    await using engine = await startEngine(world);
    await Promise.all([
      place.secretThat("kept", ({ data }) => data.password === "two", SOON_MS),
      place.secretThat("made", ({ data }) => data.password === "two", SOON_MS),
      place.secretThat("edited", ({ data }) => data.password === "one", SOON_MS),
      place.secretThat("lost", ({ data }) => data.password === "one", SOON_MS),
      place.secretThat("other", ({ data }) => data.password === "two", SOON_MS),
      place.secretThat("again", (secret) => isOfNewOne(secret) && secret.data.password === "one", SOON_MS),
      cluster.waitFor("gone to go", async () => (await place.secret("gone")) === undefined, SOON_MS),
      cluster.waitFor("respelled to go", async () => (await place.secret("respelled")) === undefined, SOON_MS),
    ]);
    assert.equal(await engine.stop(), 0);
    await nothingIsStuck();
  });

  it("Ctrl-C finishes the work that is under way, and starts no other", async () => {
    const place = placeIn(cluster, FLIGHTS);
    await world.namespace(cluster, FLIGHTS);
    // Nothing else asks the silent Vault, and it may be silent for as long as a busy machine takes to show the work.
    await world.writeFleet(() => ({ namespaces: { include: [FLIGHTS] } }));
    await cluster.apply({
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultConnection",
      metadata: { name: "default", namespace: OPERATOR_NAMESPACE },
      spec: { address: world.vault.address, skipTLSVerify: false, timeout: "60s" },
    });
    const names = ["flight-1", "flight-2", "flight-3"];
    for (const name of ["landed", ...names]) await world.vault.putKv("kv", name, { password: "landed" });
    await using engine = await startEngine(world);
    // A Vault that never answered a process would get less time.
    await place.declare("landed", { refreshAfter: "12h" });
    await place.synced("landed");
    world.vault.pause();
    for (const name of names) await place.declare(name);
    const isAtWork = (name: string) => (sync: StatusAnswer["syncs"][number]) =>
      sync.key.endsWith(`/${name}`) && sync.state === "working";
    await statusThat(world, "work on all of them", ({ syncs }) => names.every((name) => syncs.some(isAtWork(name))));
    const stopped = engine.stop();
    await sleep(500);
    assert.equal(engine.child.exitCode, null, "it waits for its work");
    world.vault.resume();
    assert.equal(await stopped, 0);
    for (const name of names) assert.equal((await place.secret(name))?.data.password, "landed");
    const { syncs } = await status(world);
    assert.deepEqual(
      syncs.map(({ key, state }) => `${key} ${state}`),
      [...names, "landed"].map((name) => `one/VaultStaticSecret/${FLIGHTS}/${name} synced`),
    );
  });
});
