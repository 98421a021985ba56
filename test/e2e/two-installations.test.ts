import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { dataDirOf, keyferry, startEngine, status } from "./support/engine.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { OPERATOR_NAMESPACE, type World } from "./support/world.ts";

const NS = "team-a";

describe("two installations", () => {
  let world: World;
  let cluster: Cluster;
  let place: Place;
  let other: string;

  before(async () => {
    ({ world, cluster, place } = await startPlace(NS));
    other = join(world.folder, "other-data");
    await world.vault.putKv("kv", "db", { password: "one" });
  });
  after(() => endAll(world));

  it("lease-table 25: a second one stands back, says so, and takes over when the first one's mark is deleted", async () => {
    await using first = await startEngine(world);
    await place.declare("db");
    await place.synced("db");
    {
      await using second = await startEngine(world, { dataDir: other });
      const shown = await status(world, { dataDir: other });
      assert.equal(shown.clusters[0]?.state, "failed");
      assert.equal(shown.clusters[0]?.error?.code, "OTHER_CONTROLLER");
      assert.match(
        JSON.stringify(shown),
        /delete ConfigMap vault-secrets-operator-system\/keyferry-installation in that cluster/,
      );
      assert.deepEqual(shown.syncs, []);
      assert.equal(await first.stop(), 0);
      await world.vault.putKv("kv", "db", { password: "two" });
      await place.touch("db");
      assert.ok(!second.logs.some(({ event }) => event === "secret-written"), "it only watches");
      assert.equal((await place.secret("db"))?.data.password, "one");

      const name = "keyferry-installation";
      await cluster.delete({ apiVersion: "v1", kind: "ConfigMap", namespace: OPERATOR_NAMESPACE, name });
      await place.secretThat("db", ({ data }) => data.password === "two");
      assert.equal(await second.stop(), 0);
    }
    await using again = await startEngine(world);
    assert.equal((await status(world)).clusters[0]?.error?.code, "OTHER_CONTROLLER", "the first one stands back now");
    assert.equal(await again.stop(), 0);
  });

  it("lease-table 25: a data directory is for one process: a second run is refused, status is not", async () => {
    await using _first = await startEngine(world, { dataDir: other });
    const flags = ["--fleet", world.fleetPath, "--data-dir", other];
    const refused = await keyferry(["run", "--listen", "none", ...flags]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /another keyferry process works with this data directory/);
    assert.equal((await status(world, { dataDir: other })).syncs.length, 1);
    assert.notEqual(other, dataDirOf(world));
  });
});
