import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDynamicSecret, anIssuingWorld, DYNAMIC, logsIn } from "./world/issuing.ts";
import type { World } from "./world/world.ts";

/** A credential with leases of ten minutes, in use for a while. */
async function aWorldInUse(): Promise<World> {
  const world = await anIssuingWorld();
  await world.vault.putDatabaseRole("app", { defaultTtl: "10m", maxTtl: "240h" });
  await world.given(aDynamicSecret());
  await world.advance("12m");
  return world;
}

const refusal = (message: string) => ({ status: 400, text: JSON.stringify({ errors: [message] }) });

describe("a renewal that Vault answers with 400", () => {
  it("by a secondary for disaster recovery, until its promotion, costs no credential", async () => {
    await using world = await aWorldInUse();
    const first = world.secret("db")?.data;
    const instead = refusal("path disabled in replication DR secondary mode");
    world.vault.meddle(({ path }) => (/^sys\/(seal-status|health)$/.test(path) ? {} : { instead }));
    await world.advance("6m");
    world.vault.meddle(undefined);
    await world.advance("1h");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });

  it("lease-table 29: while its database is down costs no credential, if that does not last", async () => {
    await using world = await aWorldInUse();
    const first = world.secret("db")?.data;
    const instead = refusal("failed to renew entry");
    let refused = 0;
    world.vault.meddle(({ path }) => {
      if (path !== "sys/leases/renew") return {};
      refused++;
      return { instead };
    });
    while (refused === 0) await world.advance("10s");
    await world.advance("1m");
    world.vault.meddle(undefined);
    await world.advance("1h");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
  });

  it("for good, as after a lower maximum, costs no time without a credential", async () => {
    await using world = await aWorldInUse();
    const first = world.secret("db")?.data;
    const [{ id = "" } = {}] = world.vault.liveLeases();
    const instead = refusal("past the max TTL, cannot renew");
    world.vault.meddle(({ path, body = "" }) => (path === "sys/leases/renew" && body.includes(id) ? { instead } : {}));
    for (let minutes = 0; minutes < 30; minutes++) {
      await world.advance("1m");
      assert.equal(await logsIn(world), true, `after ${minutes} minutes`);
    }
    assert.notDeepEqual(world.secret("db")?.data, first);
  });

  it("because it is gone issues another one at once", async () => {
    await using world = await aWorldInUse();
    const first = world.secret("db")?.data;
    for (const { id } of world.vault.liveLeases()) await world.vault.write("sys/leases/revoke", { lease_id: id });
    await world.advance("5m");
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
  });
});

describe("a renewal that nobody answers", () => {
  it("lease-table 29: tells when the credential ends, and another one is there some seconds later", async () => {
    await using world = await aWorldInUse();
    let dead = 0;
    world.vault.meddle(({ path }) => (/renew/.test(path) ? { instead: { status: 500, text: "" } } : {}));
    for (let seconds = 0; seconds < 1_800; seconds += 5) {
      await world.advance("5s");
      if (!(await logsIn(world))) dead += 5;
    }
    assert.ok(dead <= 60, `${dead} seconds without a credential`);
    assert.match(world.condition("db", "Ready", DYNAMIC), /^True/);
  });
});

describe("renewals that fail for some minutes", () => {
  it("park no sync whose leases are short: each of its credentials has served", async () => {
    await using world = await anIssuingWorld();
    await world.given(aDynamicSecret());
    await world.advance("5m");
    for (const status of [429, 403]) {
      world.vault.meddle(({ path }) => (/renew/.test(path) ? { instead: { status, text: "" } } : {}));
      await world.advance("15m");
      world.vault.meddle(undefined);
      await world.advance("1m");
      assert.match(world.condition("db", "Ready", DYNAMIC), /^True/, `${status}`);
      assert.equal(await logsIn(world), true, `${status}`);
    }
  });
});

describe("a gateway that answers 403 for a while", () => {
  const instead = { status: 403, text: "<html>forbidden</html>" };

  it("costs no credential, and no word about what its login may do", async () => {
    await using world = await aWorldInUse();
    const first = world.secret("db")?.data;
    world.vault.meddle(() => ({ instead }));
    await world.advance("5m");
    world.vault.meddle(undefined);
    await world.advance("1h");
    assert.deepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
    assert.equal(world.condition("db", "CredentialRenewed", DYNAMIC), "none");
  });

  it("to renewals alone, and for good, costs no time without a credential", async () => {
    await using world = await aWorldInUse();
    const first = world.secret("db")?.data;
    world.vault.meddle(({ path }) => (path.startsWith("sys/leases/") ? { instead } : {}));
    for (let seconds = 0; seconds < 1_800; seconds += 5) {
      await world.advance("5s");
      assert.equal(await logsIn(world), true, `after ${seconds} seconds`);
    }
    assert.notDeepEqual(world.secret("db")?.data, first);
  });

  it("does not hold up a Secret that somebody deletes", async () => {
    await using world = await anIssuingWorld();
    await world.vault.putDatabaseRole("app", { defaultTtl: "1h", maxTtl: "240h" });
    await world.given(aDynamicSecret());
    await world.advance("2m");
    world.vault.meddle(({ path }) => (path.startsWith("sys/leases/") ? { instead } : {}));
    await world.store.nudge(world.key("db", DYNAMIC), { now: world.time.now(), verify: true });
    await world.advance("1m");
    const first = world.secret("db")?.data;
    assert.equal(await logsIn(world), true, "what the Secret holds is not replaced for a doubt");
    await world.remove("Secret", "db");
    await world.advance("3m");
    assert.notEqual(world.secret("db")?.data, undefined);
    assert.notDeepEqual(world.secret("db")?.data, first);
    assert.equal(await logsIn(world), true);
  });

  it("leaves no credential of a declaration that is deleted then", async () => {
    await using world = await aWorldInUse();
    world.vault.meddle(() => ({ instead }));
    await world.remove(DYNAMIC, "db");
    await world.advance("1m");
    assert.equal(world.vault.liveLeases().length, 1);
    world.vault.meddle(undefined);
    await world.advance("2m");
    assert.equal(world.vault.liveLeases().length, 0);
  });
});
