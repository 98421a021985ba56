import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster, KubeObject } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { type Place, placeIn } from "./support/place.ts";
import { endAll } from "./support/start-place.ts";
import { statusThat } from "./support/status-that.ts";
import { OPERATOR_NAMESPACE, startWorld, type World } from "./support/world.ts";

const TENANT = "team-a";
const HONEST = "team-b";
const API = "secrets.hashicorp.com/v1beta1";
const PATIENCE_MS = 120_000;

describe("what a tenant can write stops nobody else", () => {
  let world: World;
  let cluster: Cluster;
  let tenant: Place;
  let honest: Place;
  let engine: RunningEngine;
  let turns = 0;
  /** The API server keeps the time of an entry whose manager and fields it knows: each one has a name of its own. */
  let forged = 0;

  before(async () => {
    world = await startWorld({ clusters: ["one"] });
    [cluster] = world.clusters as [Cluster];
    for (const name of [TENANT, HONEST]) await world.namespace(cluster, name);
    [tenant, honest] = [placeIn(cluster, TENANT), placeIn(cluster, HONEST)];
    await world.vault.putKv("kv", "db", { turn: "0" });
    engine = await startEngine(world);
    for (const place of [tenant, honest]) {
      await place.declare("db");
      await place.synced("db");
    }
  });
  after(() => endAll(world, engine));

  /** An entry of a status write by another program, as edit rights on one's own declaration allow it. */
  async function forge(at: Date, name = "db"): Promise<void> {
    const path = `/apis/${API}/namespaces/${TENANT}/vaultstaticsecrets/${name}`;
    const value = {
      ...{ manager: `program-${++forged}`, operation: "Update", subresource: "status", apiVersion: API },
      ...{ time: at.toISOString().replace(/\.\d+Z$/, "Z"), fieldsType: "FieldsV1" },
      fieldsV1: { "f:status": { "f:lastGeneration": {} } },
    };
    const found = await tenant.resource(name);
    const entries = (found?.metadata.managedFields ?? []).filter(
      ({ manager }) => !String(manager).startsWith("program-"),
    );
    const body = [{ op: "replace", path: "/metadata/managedFields", value: [...entries, value] }];
    const patched = await cluster.request<KubeObject>("PATCH", path, body, {
      contentType: "application/json-patch+json",
    });
    assert.equal(patched.status, 200, patched.text);
    const kept = patched.body.metadata.managedFields ?? [];
    assert.ok(
      kept.some(({ manager, time }) => manager === value.manager && time === value.time),
      `not taken: ${JSON.stringify(kept)}`,
    );
  }

  /** A change in Vault reaches the Secrets of these. */
  async function follow(...places: readonly Place[]): Promise<void> {
    const turn = `${++turns}`;
    await world.vault.putKv("kv", "db", { turn });
    for (const place of places) await place.secretThat("db", ({ data }) => data.turn === turn, PATIENCE_MS);
  }
  const isOk = async (): Promise<void> => assert.equal((await status(world)).clusters[0]?.state, "ok");

  it("kubernetes-rules 24: a status write dated 2099 is not believed, not even in its own namespace", async () => {
    await forge(new Date("2099-01-01T00:00:00Z"));
    await forge(new Date("2099-01-02T00:00:00Z"));
    await follow(tenant, honest);
    await isOk();
    assert.ok(!engine.logs.some(({ event }) => event === "circuit-opened"));
  });

  it("kubernetes-rules 24: one that is dated now is a reason to look, and no more", async () => {
    await forge(new Date());
    await follow(tenant, honest);
    await isOk();
  });

  it("kubernetes-rules 24: a second one stops its own namespace, and others of the cluster go on; it ends by itself", async () => {
    await tenant.declare("db2", { path: "db" });
    await tenant.synced("db2");
    // The second write is looked up each 10 s at most.
    const isWaiting = async () => {
      await forge(new Date());
      return (await status(world)).syncs.some(({ key, state }) => key.includes(`/${TENANT}/`) && state === "waiting");
    };
    await cluster.waitFor("keyferry to stand back there", isWaiting, PATIENCE_MS);
    const { syncs } = await status(world);
    const stateOf = (namespace: string) =>
      syncs.filter(({ key }) => key.includes(`/${namespace}/`)).map(({ state }) => state);
    assert.deepEqual(stateOf(TENANT), ["waiting", "waiting"]);
    assert.deepEqual(stateOf(HONEST), ["synced"]);
    await follow(honest);
    await isOk();
    await follow(tenant, honest);
    await statusThat(world, "all to be in step", (answer) => answer.syncs.every(({ state }) => state === "synced"));
  });

  it("kubernetes-rules 24, lease-table 25: a leader lease, or another installation's mark, counts in the operator namespace alone", async () => {
    const id = { id: "somebody-else" };
    for (const namespace of [TENANT, "default"]) {
      const renewTime = new Date().toISOString().replace("Z", "000Z");
      await cluster.apply([
        {
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { namespace, name: "b0d477c0.hashicorp.com" },
          spec: { holderIdentity: "tenant", leaseDurationSeconds: 2_000_000_000, renewTime },
        },
        { apiVersion: "v1", kind: "ConfigMap", metadata: { namespace, name: "keyferry-installation" }, data: id },
      ]);
    }
    assert.equal(await engine.stop(), 0);
    engine = await startEngine(world);
    await follow(tenant, honest);
    await isOk();
    const name = "keyferry-installation";
    const ours = await cluster.get({ apiVersion: "v1", kind: "ConfigMap", namespace: OPERATOR_NAMESPACE, name });
    assert.notEqual(ours?.data?.id, id.id);
  });
});
