import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDeployment, aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { gateAt } from "./world/effects.ts";
import { aWorld, type World } from "./world/world.ts";

const withTarget = (name = "db", path = name) =>
  aStaticSecret(name, { path, refreshAfter: "10s", rolloutRestartTargets: [{ kind: "Deployment", name: "app" }] });

/** How often the Deployment's spec was changed since it was made. */
function restarts(world: World, name = "app"): number {
  return (world.resource(name, "Deployment")?.metadata.generation ?? 0) - 1;
}

describe("a restart of workloads", () => {
  it("is not owed for a first sync, and comes once for each change of the data", async () => {
    await using world = await aWorld();
    await world.given(aDeployment("app"), aVaultSecret(), withTarget());
    await world.advance("2m");
    assert.equal(restarts(world), 0);
    for (const [at, password] of ["two", "three"].entries()) {
      await world.given(aVaultSecret("db", { password }));
      await world.advance("3m");
      assert.equal(restarts(world), at + 1, password);
    }
  });

  it("is not owed for an edit by hand that is put right", async () => {
    await using world = await aWorld();
    await world.given(aDeployment("app"), aVaultSecret(), withTarget());
    await world.advance("1m");
    await world.edit("Secret", "db", { data: { password: "ZXZl" } });
    await world.advance("3m");
    assert.equal(world.secret("db")?.data.password, "one");
    assert.equal(restarts(world), 0);
  });

  it("serves all syncs that change together", async () => {
    await using world = await aWorld();
    await world.given(aDeployment("app"), aVaultSecret(), ...["a", "b", "c"].map((name) => withTarget(name, "db")));
    await world.advance("1m");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("5m");
    assert.equal(restarts(world), 1);
  });

  /** A sync whose template makes other data at every read, once its first refresh has found some. */
  async function givenVolatile(world: World, target: string): Promise<void> {
    const spec = {
      refreshAfter: "10m",
      rolloutRestartTargets: [{ kind: "Deployment", name: target }],
      destination: { transformation: { templates: { number: { text: "{{ randInt }}" } } } },
    };
    await world.given(aDeployment("app"), aVaultSecret(), aStaticSecret("db", spec));
    await world.advance("5s");
    const first = world.secret("db")?.data.number;
    while (world.secret("db")?.data.number === first) await world.advance("10s");
  }

  it("comes once for each refresh of data that differs at every read", async () => {
    await using world = await aWorld();
    await givenVolatile(world, "app");
    const { reads } = await world.counting(() => world.advance("5m"));
    assert.equal(restarts(world), 1);
    assert.ok(reads <= 1, `${reads} reads`);
    assert.equal((await world.row())?.state.rollout, undefined, "nothing is owed any more");
  });

  it("is tried with growing pauses for data that differs at every read, while its target is missing", async () => {
    await using world = await aWorld();
    await givenVolatile(world, "missing");
    const { reads } = await world.counting(() => world.advance("5m"));
    assert.ok(reads <= 6, `${reads} reads`);
    assert.match(world.condition("db", "RolloutRestart"), /TARGET_MISSING/);
  });

  for (const [where, effect, side] of [
    ["between the write of the Secret and its settle", "patch secrets", "after"],
    ["before the restart", "patch deployments", "before"],
    ["after the restart, before it is recorded", "patch deployments", "after"],
  ] as const) {
    it(`is neither lost nor doubled by a process that dies ${where}`, async () => {
      await using world = await aWorld();
      await world.given(aDeployment("app"), aVaultSecret(), withTarget());
      await world.advance("1m");
      world.crash();
      const gate = gateAt(effect, side);
      const doomed = world.start({ effect: gate.effect });
      await world.given(aVaultSecret("db", { password: "two" }));
      await world.advance("1m");
      assert.ok(gate.times() > 0, "it stands there");
      doomed.crash();
      world.start();
      await world.advance("10m");
      assert.equal(world.secret("db")?.data.password, "two");
      assert.equal(restarts(world), 1);
      assert.equal((await world.row())?.state.rollout, undefined, "nothing is owed any more");
    });
  }

  it("tells of each target that is missing, by name, in the status and in one event; and then that all is well", async () => {
    await using world = await aWorld();
    const rolloutRestartTargets = ["app", "web"].map((name) => ({ kind: "Deployment", name }));
    await world.given(aVaultSecret(), aStaticSecret("db", { refreshAfter: "10s", rolloutRestartTargets }));
    await world.advance("1m");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("10m");
    const told = world.condition("db", "RolloutRestart");
    assert.match(told, /^False: TARGET_MISSING: .*Deployment app.*; TARGET_MISSING: .*Deployment web/);
    assert.match(world.condition("db"), /^True/, "the Secret is in step all the while");
    const failures = () => world.events("db").filter(({ reason }) => reason === "RolloutRestartFailed");
    assert.deepEqual(
      failures().map(({ type, message }) => [type, `False: ${message}`]),
      [["Warning", told]],
    );
    await world.given(aDeployment("app"), aDeployment("web"));
    await world.advance("15m");
    assert.match(world.condition("db", "RolloutRestart"), /^True/);
    assert.equal(failures().length, 1);
    assert.equal((await world.row())?.state.rollout, undefined);
  });

  it("comes once, although another program wrote a restart in the future, and another target is missing", async () => {
    await using world = await aWorld();
    const rolloutRestartTargets = ["app", "missing"].map((name) => ({ kind: "Deployment", name }));
    await world.given(aDeployment("app"), aVaultSecret(), aStaticSecret("db", { rolloutRestartTargets }));
    const annotations = { "kubectl.kubernetes.io/restartedAt": "2031-01-01T00:00:00Z" };
    await world.edit("Deployment", "app", { spec: { template: { metadata: { annotations } } } });
    await world.advance("1m");
    const before = restarts(world);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("1h");
    assert.equal(restarts(world), before + 1);
  });

  it("waits for a target that is missing or paused, and the sync is in step all the while", async () => {
    await using world = await aWorld();
    await world.given(aDeployment("app"), aVaultSecret(), withTarget());
    await world.advance("1m");
    await world.edit("Deployment", "app", { spec: { paused: true } });
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("3m");
    assert.equal(world.secret("db")?.data.password, "two");
    const before = restarts(world);
    await world.edit("Deployment", "app", { spec: { paused: false } });
    await world.advance("15m");
    assert.equal(restarts(world), before + 2, "the edit, and the restart");
  });

  it("that failed is tried at once for a changed declaration, since a person may have put it right", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), withTarget());
    await world.advance("1m");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("10m");
    const owed = async () => (await world.row())?.state.rollout;
    const { at = 0, attempts } = (await owed()) ?? {};
    assert.ok(attempts && at - world.time.now() > 30_000, "its own time comes later");
    await world.given(aDeployment("app"));
    await world.edit("VaultStaticSecret", "db", { metadata: { annotations: { a: "b" } } });
    await world.advance("5s");
    assert.equal(await owed(), undefined);
  });

  for (const [what, fail] of [
    ["Vault is sealed", (world: World) => world.vault.seal()],
    ["Vault does not answer", async (world: World) => world.vault.fail("silent")],
    [
      "Vault refuses the path",
      (world: World) => world.edit("VaultStaticSecret", "db", { spec: { path: "closed/db" } }),
    ],
  ] as const) {
    it(`comes for data that was written, although ${what} since`, async () => {
      await using world = await aWorld();
      await world.given(aDeployment("app"), aVaultSecret(), aVaultSecret("closed/db"), withTarget());
      await world.advance("1m");
      await world.given(aVaultSecret("db", { password: "two" }));
      for (let tries = 0; tries < 20 && world.secret("db")?.data.password !== "two"; tries++) await world.advance("1s");
      await fail(world);
      assert.equal(restarts(world), 0);
      await world.advance("90s");
      assert.equal(restarts(world), 1);
      assert.equal((await world.row())?.state.rollout, undefined, "nothing is owed any more");
      const costs = await world.counting(() => world.advance("30s"));
      assert.ok(costs.claims <= 1, `${costs.claims} claims`);
    });
  }
});
