import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aDeployment, aStaticSecret, aVaultSecret } from "./world/builders.ts";
import { gateAt } from "./world/effects.ts";
import { aDynamicSecret, anIssuingWorld, DYNAMIC } from "./world/issuing.ts";
import { eventsIn, type MemorySink, memorySink } from "./world/sink.ts";
import { aWorld, msOf, type World } from "./world/world.ts";

const often = { refreshAfter: "10s" };

async function aSyncedWorld(sink: MemorySink): Promise<World> {
  const world = await aWorld({ sink });
  await world.given(aVaultSecret(), aStaticSecret("db", often));
  await world.advance("20s");
  return world;
}

/** What every process does each ten minutes. */
const sweep = (world: World, process = world.start({ isIdle: true })) =>
  process.handle({ kind: "token-sweep", at: world.time.now() });

async function unsent(world: World, name = "db", kind?: string): Promise<readonly string[]> {
  return ((await world.row(name, kind))?.state.unsent ?? []).map((event) => event.kind);
}

describe("domain events", () => {
  it("tell each change once, with the sync's names and nothing of the data", async () => {
    const sink = memorySink();
    await using world = await aSyncedWorld(sink);
    assert.deepEqual(eventsIn(sink), ["SecretSynced first"]);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("20s");
    assert.deepEqual(eventsIn(sink).slice(1), ["SecretSynced data"]);
    for (const data of [{ password: "ZXZl" }, { extra: "ZXZl" }]) {
      await world.edit("Secret", "db", { data });
      await world.advance("20s");
    }
    await world.remove("Secret", "db");
    await world.advance("20s");
    assert.deepEqual(eventsIn(sink).slice(2), ["DriftRepaired", "DriftRepaired", "DriftRepaired"]);
    await world.edit("VaultStaticSecret", "db", { spec: { destination: { labels: { team: "shop" } } } });
    await world.advance("20s");
    assert.deepEqual(eventsIn(sink).slice(5), ["SecretSynced declaration"]);
    const [first] = sink.events;
    const { id, time, ...detail } = first?.detail ?? {};
    assert.deepEqual(detail, {
      ...{ cluster: "east", key: "east/VaultStaticSecret/shop/db", kind: "VaultStaticSecret" },
      ...{ namespace: "shop", name: "db", secret: "db", reason: "first" },
    });
    assert.equal(id, first?.id);
    assert.equal(time, new Date(first?.at ?? 0).toISOString());
    assert.equal(new Set(sink.events.map((event) => event.id)).size, sink.events.length, "each has an id of its own");
    assert.doesNotMatch(JSON.stringify(sink.events), /one|two|b25l|dHdv|ZXZl/);
    assert.deepEqual(await unsent(world), []);
  });

  it("of a change cost one write more, and a refresh without a change none", async () => {
    const sink = memorySink();
    await using world = await aSyncedWorld(sink);
    const before = { ...world.store.counts() };
    await world.advance("5m");
    assert.equal(world.store.counts().settle, before.settle);
    assert.equal(world.store.counts().clearUnsent, before.clearUnsent);
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("1m");
    const after = world.store.counts();
    assert.equal((after.settle ?? 0) - (before.settle ?? 0), 1);
    assert.equal((after.clearUnsent ?? 0) - (before.clearUnsent ?? 0), 1);
  });

  it("without a sink are not recorded at all", async () => {
    await using world = await aWorld();
    await world.given(aVaultSecret(), aStaticSecret("db", often));
    await world.advance("20s");
    assert.deepEqual(await unsent(world), []);
    assert.equal(world.store.counts().clearUnsent, undefined);
  });

  it("tell of a failure once for each code, and of its end", async () => {
    const sink = memorySink();
    await using world = await aWorld({ sink });
    await world.given(aStaticSecret("db", often));
    await world.advance("10m");
    assert.deepEqual(eventsIn(sink), ["SyncFailed VAULT_PATH_MISSING"]);
    const { disposition, since } = sink.events[0]?.detail ?? {};
    assert.equal(disposition, "recheck");
    await world.given(aVaultSecret());
    await world.advance("10m");
    assert.deepEqual(eventsIn(sink).slice(1), ["SecretSynced first", "SyncRecovered VAULT_PATH_MISSING"]);
    assert.equal(sink.events.at(-1)?.detail.since, since);
  });

  it("tell of restarted workloads by name", async () => {
    const sink = memorySink();
    await using world = await aWorld({ sink });
    const rolloutRestartTargets = [{ kind: "Deployment", name: "app" }];
    await world.given(aDeployment("app"), aVaultSecret(), aStaticSecret("db", { ...often, rolloutRestartTargets }));
    await world.advance("1m");
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("3m");
    assert.deepEqual(eventsIn(sink), ["SecretSynced first", "SecretSynced data", "RolloutTriggered"]);
    const { restarts, targets } = sink.events.at(-1)?.detail ?? {};
    assert.deepEqual([restarts, targets], [1, [{ kind: "Deployment", name: "app" }]]);
  });

  it("tell of issued and revoked credentials by keyferry's own id, also when the declaration goes", async () => {
    const sink = memorySink();
    await using world = await anIssuingWorld({ sink });
    await world.given(aDynamicSecret("db", { revoke: true }));
    await world.advance("10s");
    assert.deepEqual(eventsIn(sink), ["CredentialIssued", "SecretSynced first"]);
    const [issued] = sink.events;
    assert.deepEqual([issued?.detail.leaseSeconds, issued?.detail.renewable], [60, true]);
    await world.remove(DYNAMIC, "db");
    await world.advance("10s");
    assert.equal(world.vault.liveLeases().length, 0);
    assert.deepEqual(eventsIn(sink).slice(2), ["CredentialRevoked"]);
    assert.equal(sink.events.at(-1)?.detail.credential, issued?.detail.credential);
    assert.equal(sink.events.at(-1)?.detail.key, `east/${DYNAMIC}/shop/db`);
    await world.advance("2m");
    assert.deepEqual(
      await world.store.byCluster("east").then((rows) => rows.filter(({ key }) => key.includes("#"))),
      [],
    );
    assert.equal(eventsIn(sink).length, 3);
  });

  it("tell of a credential whose renewals Vault does not answer", async () => {
    const sink = memorySink();
    await using world = await anIssuingWorld({ sink });
    await world.given(aDynamicSecret("db"));
    await world.advance("10s");
    world.vault.fail("silent");
    await world.advance("2m");
    const risk = sink.events.filter(({ kind }) => kind === "LeaseAtRisk");
    assert.equal(risk.length, 1);
    assert.match(String(risk[0]?.detail.endsAt), /^2030-01-01T00:0/);
  });

  it("tell of a cluster that does not answer, and of its return", async () => {
    const sink = memorySink();
    await using world = await aSyncedWorld(sink);
    world.cluster().fail("refused");
    await world.advance("2m");
    assert.deepEqual(eventsIn(sink).slice(1), ["ClusterUnreachable KUBE_UNREACHABLE"]);
    assert.equal(sink.events.at(-1)?.detail.cluster, "east");
    world.cluster().fail(undefined);
    await world.advance("1m");
    assert.deepEqual(eventsIn(sink).slice(2), ["ClusterReachable"]);
    const [, lost, back] = sink.events;
    assert.deepEqual([lost?.id.split("/")[0], back?.detail.since], [back?.id.split("/")[0], lost?.detail.since]);
  });

  for (const where of ["before", "after"] as const) {
    it(`are sent by the sweep when a process dies ${where} it sends them: with the same id`, async () => {
      const sink = memorySink();
      await using world = await aSyncedWorld(sink);
      world.crash();
      const gate = gateAt("events send", where);
      const doomed = world.start({ effect: gate.effect });
      await world.given(aVaultSecret("db", { password: "two" }));
      await world.advance("20s");
      await gate.reached;
      doomed.crash();
      assert.deepEqual(await unsent(world), ["SecretSynced"]);
      const sweeper = world.start();
      await world.advance("2m");
      await sweep(world, sweeper);
      await world.time.settled();
      const told = sink.events.filter(({ detail }) => detail.reason === "data");
      assert.equal(new Set(told.map(({ id }) => id)).size, 1);
      assert.equal(told.length, where === "before" ? 1 : 2);
      assert.deepEqual(await unsent(world), []);
    });
  }

  it("that a sink refuses stay in the row, and only those are sent again", async () => {
    const sink = memorySink();
    await using world = await anIssuingWorld({ sink });
    sink.refuse((event) => event.kind === "SecretSynced");
    await world.given(aDynamicSecret("db"));
    await world.advance("20s");
    assert.deepEqual(eventsIn(sink), ["CredentialIssued"]);
    assert.deepEqual(await unsent(world, "db", DYNAMIC), ["SecretSynced"]);
    sink.refuse(() => false);
    await world.advance("2m");
    await sweep(world);
    assert.deepEqual(eventsIn(sink), ["CredentialIssued", "SecretSynced first"]);
    assert.deepEqual(await unsent(world, "db", DYNAMIC), []);
  });

  it("that a sink does not answer within half a minute stay in the row, and are sent again", async () => {
    const sink = memorySink();
    let isSilent = false;
    const send: MemorySink["send"] = (events, signal) => {
      if (!isSilent) return sink.send(events, signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    };
    await using world = await aSyncedWorld({ ...sink, send });
    const told = () => world.log.filter(({ event }) => event === "domain-events-not-sent").length;
    isSilent = true;
    await world.given(aVaultSecret("db", { password: "two" }));
    await world.advance("20s");
    assert.deepEqual([world.secret("db")?.data.password, told()], ["two", 0]);
    await world.advance("30s");
    assert.deepEqual([told(), await unsent(world)], [1, ["SecretSynced"]]);
    isSilent = false;
    await world.advance("2m");
    await sweep(world);
    assert.deepEqual(eventsIn(sink), ["SecretSynced first", "SecretSynced data"]);
    assert.deepEqual(await unsent(world), []);
  });

  it("delay no sync while a sink is silent, are bounded in the row, and are dropped after a day", async () => {
    const sink = memorySink();
    await using world = await aSyncedWorld(sink);
    sink.refuse(() => true);
    for (let n = 0; n < 20; n++) {
      await world.given(aVaultSecret("db", { password: `number ${n}` }));
      await world.advance("20s");
      assert.equal(world.secret("db")?.data.password, `number ${n}`);
    }
    assert.equal((await unsent(world)).length, 16);
    world.crash();
    world.time.stepClock(msOf("24h") + msOf("10m"));
    sink.refuse(() => false);
    await sweep(world);
    assert.deepEqual(await unsent(world), []);
    assert.deepEqual(eventsIn(sink), ["SecretSynced first"]);
  });

  it("of a declaration that goes keep its row until they are sent", async () => {
    const sink = memorySink();
    await using world = await anIssuingWorld({ sink });
    await world.given(aDynamicSecret("db"));
    await world.advance("10s");
    sink.refuse(() => true);
    await world.remove(DYNAMIC, "db");
    await world.advance("5m");
    const cleanUps = async () => (await world.store.byCluster("east")).filter(({ key }) => key.includes("#"));
    assert.equal((await cleanUps()).length, 1);
    assert.equal(world.vault.liveLeases().length, 0, "nothing else waits");
    sink.refuse(() => false);
    await sweep(world);
    assert.equal(eventsIn(sink).filter((name) => name === "CredentialRevoked").length, 1);
    await world.advance("15m");
    assert.deepEqual(await cleanUps(), []);
  });

  it("of an outage that goes on are sent again by another process, with the same id", async () => {
    const sink = memorySink();
    await using world = await aSyncedWorld(sink);
    sink.refuse(() => true);
    world.cluster().fail("refused");
    await world.advance("2m");
    world.crash();
    sink.refuse(() => false);
    world.start();
    await sweep(world);
    await sweep(world);
    const told = sink.events.filter(({ kind }) => kind === "ClusterUnreachable");
    assert.equal(new Set(told.map(({ id }) => id)).size, 1);
  });
});
