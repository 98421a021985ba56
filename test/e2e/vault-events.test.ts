import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { waitFor } from "../harness/index.ts";
import { type VaultWithEvents, vaultWithEvents } from "../harness/vault/with-events.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { follows, SELDOM, SOON_MS } from "./support/inlets.ts";
import { type Place, placeIn } from "./support/place.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const NS = "team-a";

describe("events of Vault Enterprise, by frames from its documentation before a real Vault Community", {
  timeout: 600_000,
}, () => {
  let world: World;
  let place: Place;
  let events: VaultWithEvents;
  let engine: RunningEngine;

  before(async () => {
    world = await startWorld({ clusters: ["one"], vault: { flavor: "vault" } });
    events = await vaultWithEvents(world.vault.address);
    const [cluster = assert.fail()] = world.clusters;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    await cluster.apply({
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultConnection",
      metadata: { name: "default", namespace: OPERATOR_NAMESPACE },
      spec: { address: events.address },
    });
    await serve({});
    engine = await startEngine(world);
  });
  after(async () => {
    await engine?.[Symbol.asyncDispose]();
    await events?.[Symbol.asyncDispose]();
    await world?.[Symbol.asyncDispose]();
  });

  const serve = (more: object) =>
    world.writeFleet(() => ({}), { addresses: [events.address, world.vault.address], ...more });
  /** A write that Vault tells of. */
  async function write(name: string, password: string): Promise<void> {
    const headers = { "x-vault-token": world.vault.token };
    const body = JSON.stringify({ data: { password } });
    const { status } = await fetch(`${events.address}/v1/kv/data/${name}`, { method: "POST", headers, body });
    assert.equal(status, 200);
  }
  async function declare(name: string, spec: object): Promise<void> {
    await world.vault.putKv("kv", name, { password: "one" });
    await place.declare(name, { refreshAfter: SELDOM, ...spec });
    await place.synced(name, SOON_MS);
  }
  const instant = { syncConfig: { instantUpdates: true } };
  const subscribed = () => waitFor("a subscription", async () => events.open() === 1);

  it("instantUpdates: a write reaches the Secret, and all syncs of a login share a subscription", async () => {
    await declare("db", instant);
    await declare("web", instant);
    await subscribed();
    await write("db", "two");
    await follows(place, "db", "two");
    await write("web", "three");
    await follows(place, "web", "three");
    assert.equal(events.asked.length, 1);
    assert.equal((await place.conditions("db")).InstantUpdates, undefined);
    assert.match(await engine.metrics(), /keyferry_event_subscriptions\{vault="main",state="following"\} 1/);
  });

  it("what was written while the subscription was interrupted is found after it", async () => {
    // The sweep is spread over the shortest period.
    await declare("often", { refreshAfter: "5s" });
    events.answer = { status: 503 };
    events.drop();
    await world.vault.putKv("kv", "db", { password: "meanwhile" });
    events.answer = undefined;
    await follows(place, "db", "meanwhile");
    await subscribed();
  });

  it("a restarted keyferry subscribes for syncs that no refresh runs soon", async () => {
    assert.equal(await engine.stop(), 0);
    await waitFor("the end of the subscription", async () => events.open() === 0);
    await world.vault.putKv("kv", "db", { password: "while-stopped" });
    engine = await startEngine(world);
    await subscribed();
    await follows(place, "db", "while-stopped");
    await write("web", "after");
    await follows(place, "web", "after");
  });

  it("ends the subscription with the last sync that asks for it", async () => {
    await place.declare("db", { refreshAfter: SELDOM });
    await place.synced("db");
    assert.equal(events.open(), 1);
    await place.declare("web", { refreshAfter: SELDOM });
    await waitFor("the end of the subscription", async () => events.open() === 0);
  });

  it("fleet.yaml: keyferry's own identity subscribes for all syncs of the Vault", async () => {
    const { roleId, secretId } = await world.vault.enableAppRole({ role: "own", policies: ["default"] });
    await writeFile(join(world.folder, "secret-id"), secretId);
    const identities = [{ name: "own", method: "appRole", roleId, secretIdFile: "./secret-id" }];
    await serve({ identities, events: { subscribe: { identity: "own" } } });
    engine.child.kill("SIGHUP");
    await subscribed();
    assert.equal(events.asked.at(-1)?.path, "/v1/sys/events/subscribe/*?json=true");
    await write("db", "by-the-fleet");
    await follows(place, "db", "by-the-fleet");
  });
});
