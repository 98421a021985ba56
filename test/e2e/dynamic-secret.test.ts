import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { aDynamicSecret, type IssuingPlace, startIssuing } from "./support/issuing.ts";

const NS = "team-a";
const KIND = "VaultDynamicSecret";

describe("a VaultDynamicSecret: credentials that log in, renewed, issued anew and ended", () => {
  let world: IssuingPlace;
  let engine: RunningEngine;

  before(async () => {
    world = await startIssuing(NS);
    engine = await startEngine(world.world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const secret = async (name: string) => {
    const { data } = await world.place.secretThat(name, ({ data }) => data.password !== undefined);
    return { user: data.username ?? "", password: data.password ?? "" };
  };
  const logsIn = async ({ user, password }: { user: string; password: string }) =>
    assert.equal(await world.postgres.login(user, password), true, `${user} does not log in`);

  it("is written when it is declared: it logs in, and Vault has one lease", async () => {
    await world.cluster.apply(aDynamicSecret(NS, "db"));
    await logsIn(await secret("db"));
    assert.equal((await world.leases()).length, 1);
    await world.cluster.waitFor("the status", async () => {
      const resource = await world.place.resource("db", KIND);
      const status = resource?.status as { secretLease?: { id?: string; duration?: number; renewable?: boolean } };
      return status?.secretLease?.id === (await world.leases())[0] && status.secretLease?.duration === 20;
    });
  });

  it("shows its lease with the time that Vault gives it", async () => {
    const [lease] = await world.leases();
    const shown = await world.cluster.waitFor("the lease", async () => {
      const { leases = [] } = await status(world.world, { args: ["--leases"] });
      return leases.find((one) => one.lease === lease);
    });
    assert.equal(shown.state, "live");
    assert.ok(shown.left !== undefined && shown.left > 0 && shown.left <= 20, JSON.stringify(shown));
  });

  it("is renewed: the same credential logs in after more than its lease", async () => {
    const first = await secret("db");
    const [id] = await world.leases();
    const issued = Date.parse((await world.world.vault.lease(id ?? ""))?.issueTime ?? "");
    await world.cluster.waitFor("the lease to outlive its TTL", async () => Date.now() > issued + 30_000, 60_000);
    assert.deepEqual(await secret("db"), first);
    assert.deepEqual(await world.leases(), [id]);
    await logsIn(first);
  });

  it("is issued anew when Vault has ended it, and the new one logs in", async () => {
    const first = await secret("db");
    const [id = ""] = await world.leases();
    await world.world.vault.revokeLease(id);
    await world.place.secretThat("db", ({ data }) => data.username !== first.user);
    await logsIn(await secret("db"));
    assert.equal((await world.leases()).length, 1);
  });

  it("a hand edit is mended by another credential", async () => {
    const first = await secret("db");
    await world.place.patchSecret("db", { data: { password: "aGFjaw==" } });
    await world.place.secretThat("db", ({ data }) => data.username !== first.user);
    await logsIn(await secret("db"));
  });

  it("ends with its declaration", async () => {
    const last = await secret("db");
    await world.cluster.delete(aDynamicSecret(NS, "db"));
    await world.cluster.waitFor("no lease to be left", async () => (await world.leases()).length === 0);
    assert.equal(await world.postgres.login(last.user, last.password), false);
    assert.equal(await world.place.secret("db"), undefined);
  });
});
