import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../../harness/index.ts";
import { startPostgres } from "../../harness/postgres.ts";
import { aDynamicSecret, ISSUING_POLICY } from "../support/issuing.ts";
import { type Place, placeIn } from "../support/place.ts";
import { ROLE } from "../support/world.ts";
import { type Deployed, startDeployed } from "./support/deployed.ts";
import { A_TICK_MS } from "./support/waits.ts";
import { printedBy } from "./support/workers.ts";

const NS = "team-a";

describe("short credentials of keyferry on AWS", { timeout: 1_200_000 }, () => {
  let deployed: Deployed;
  let place: Place;

  before(async () => {
    deployed = await startDeployed({ world: { clusters: ["one"] } });
    const { world } = deployed;
    const [cluster = assert.fail()] = world.clusters;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    await deployed.uploadFleet();
  });
  after(() => deployed?.[Symbol.asyncDispose]());

  /** Between the first and the last wait, only the rule ticks. */
  async function sooner<T>(wait: () => Promise<T>): Promise<T> {
    await using _ = deployed.ticking();
    return await wait();
  }

  it("keeps credentials of 30 s: renewed between ticks, they log in long after their lease, until their declaration goes", async () => {
    const { vault } = deployed.world;
    await using postgres = await startPostgres();
    await vault.writePolicy(ROLE, ISSUING_POLICY);
    await vault.enableDatabase(postgres);
    await vault.putDatabaseRole("app", { defaultTtl: "30s", maxTtl: "1h" });
    const { cluster } = place;
    await cluster.apply(aDynamicSecret(NS, "login"));
    const { data } = await sooner(() =>
      place.secretThat("login", (secret) => secret.data.password !== undefined, 2 * A_TICK_MS),
    );
    const [id = ""] = await vault.leases("database/creds/app");
    const issued = Date.parse((await vault.lease(id))?.issueTime ?? "");
    await waitFor(
      "the credential to outlive its lease by far",
      async () => Date.now() > issued + 100_000,
      2 * A_TICK_MS,
    );
    assert.deepEqual(await vault.leases("database/creds/app"), [id]);
    assert.equal(await postgres.login(data.username ?? "", data.password ?? ""), true);
    assert.deepEqual((await place.secret("login"))?.data, data);
    await cluster.delete(aDynamicSecret(NS, "login"));
    await sooner(() =>
      waitFor("its end", async () => (await vault.leases("database/creds/app")).length === 0, 2 * A_TICK_MS),
    );
    assert.equal(await postgres.login(data.username ?? "", data.password ?? ""), false);
  });

  it("prints no secret", async () => {
    const text = await printedBy(deployed);
    for (const value of [deployed.world.vault.token, "hvs."]) assert.equal(text.includes(value), false, value);
  });
});
