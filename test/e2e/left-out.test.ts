import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import type { Place } from "./support/place.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE, type World } from "./support/world.ts";

const NS = "team-a";
const PLATFORM = "platform";
const API = "secrets.hashicorp.com/v1beta1";

describe("what syncs refer to in a namespace that fleet.yaml leaves out", () => {
  let world: World;
  let engine: RunningEngine;
  let cluster: Cluster;
  let place: Place;

  before(async () => {
    ({ world, cluster, place } = await startPlace(NS));
    await world.namespace(cluster, PLATFORM);
    await world.vault.putKv("kv", "db", { user: "app" });
    const metadata = { name: "shared", namespace: PLATFORM };
    await cluster.apply([
      {
        apiVersion: API,
        kind: "VaultAuth",
        metadata,
        spec: {
          method: "kubernetes",
          mount: authMount(cluster),
          vaultConnectionRef: `${OPERATOR_NAMESPACE}/default`,
          allowedNamespaces: ["*"],
          kubernetes: { role: ROLE, serviceAccount: "app" },
        },
      },
      { apiVersion: API, kind: "SecretTransformation", metadata, spec: { templates: { a: { text: "rendered" } } } },
    ]);
    await world.writeFleet(() => ({ namespaces: { include: [NS] } }));
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world));

  it("is said to be out of sight, not to be missing, and is seen once fleet.yaml has it", async () => {
    const transformationRefs = [{ name: "shared", namespace: PLATFORM }];
    await place.declare("login", { path: "db", vaultAuthRef: `${PLATFORM}/shared` });
    await place.declare("shaped", {
      path: "db",
      destination: { name: "shaped", create: true, transformation: { transformationRefs } },
    });
    for (const [name, kind] of [
      ["login", "VaultAuth"],
      ["shaped", "SecretTransformation"],
    ] as const) {
      const why = `${kind} platform/shared can't be seen .*fleet.yaml leaves out namespace platform of cluster one`;
      const message = await place.failed(name, "REFERENCE_MISSING", undefined, new RegExp(why));
      assert.doesNotMatch(message, /create it/);
    }
    assert.equal(await engine.stop(), 0);
    await world.writeFleet(() => ({ namespaces: { include: [NS, PLATFORM] } }));
    engine = await startEngine(world);
    await place.synced("login");
    await place.synced("shaped");
    assert.equal((await place.secret("shaped"))?.data.a, "rendered");
  });
});
