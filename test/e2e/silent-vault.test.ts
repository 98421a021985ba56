import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { noisyDeclarations, type SilentPort, silentPort } from "./support/silent-port.ts";
import { endAll } from "./support/start-place.ts";
import { startWorld, type World } from "./support/world.ts";

const NOISY = "noisy";
const QUIET = "quiet";
const COUNT = 300;

describe("one namespace declares three hundred Vaults that accept and say nothing", () => {
  let world: World;
  let silent: SilentPort;
  let neighbour: Place;
  let elsewhere: Place;
  let engine: RunningEngine | undefined;

  before(async () => {
    [world, silent] = await Promise.all([startWorld({ clusters: ["one", "two"] }), silentPort()]);
    for (const cluster of world.clusters) for (const name of [NOISY, QUIET]) await world.namespace(cluster, name);
    [neighbour, elsewhere] = world.clusters.map((cluster) => placeIn(cluster, QUIET)) as [Place, Place];
    await world.vault.putKv("kv", "db", { password: "one" });
    await neighbour.cluster.apply(noisyDeclarations(NOISY, silent.address, COUNT));
  });
  after(() => endAll(world, silent, engine));

  /** How many of the noisy syncs have been told that nobody answers. */
  const told = (): number =>
    (engine?.logs ?? []).filter(({ event, key }) => event === "sync-failed" && String(key).includes(`/${NOISY}/`))
      .length;

  it("a neighbour, and another cluster, get their Secrets while those still wait", async () => {
    engine = await startEngine(world);
    await neighbour.cluster.waitFor("silence that is waited for", async () => silent.open > 0);
    for (const place of [neighbour, elsewhere]) await place.declare("db");
    for (const place of [neighbour, elsewhere]) await place.secretThat("db", ({ data }) => data.password === "one");
    assert.ok(told() < COUNT, "they are not through yet");
  });

  it("changes reach the neighbour as always, and the silent ones are told so one after the other", async () => {
    await world.vault.putKv("kv", "db", { password: "two" });
    for (const place of [neighbour, elsewhere]) await place.secretThat("db", ({ data }) => data.password === "two");
    const noisy = placeIn(neighbour.cluster, NOISY);
    await noisy.failed("noisy-0", "VAULT_UNAVAILABLE");
  });
});
