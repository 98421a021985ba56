import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import { type Cluster, type ReservedPort, reservePort } from "../harness/index.ts";
import { type RunningEngine, startEngine } from "./support/engine.ts";
import { adminConfig, argocdIn, clusterSecret } from "./support/hub.ts";
import { agentsOf, annotations, aPod, createPod, registrationOf, reviews, untilAsked } from "./support/injector.ts";
import { endAll } from "./support/start-place.ts";
import { startWorld, vaultsOf, type World } from "./support/world.ts";

describe("the injector in a cluster of a hub", () => {
  let world: World;
  let hub: Cluster;
  let one: Cluster;
  let engine: RunningEngine;
  let reserved: ReservedPort;

  before(async () => {
    world = await startWorld({ clusters: ["hub", "one"] });
    [hub, one] = world.clusters as [Cluster, Cluster];
    await argocdIn(hub);
    reserved = await reservePort();
    const { port } = reserved;
    // It names no cluster, and has no key.
    const fleet = {
      apiVersion: "keyferry.dev/v1alpha1",
      kind: "Fleet",
      vaults: await vaultsOf(world.vault),
      injector: { url: `https://127.0.0.1:${port}`, listen: `127.0.0.1:${port}`, manage: true },
      hubs: [
        {
          name: "main",
          connect: { kubeconfig: { path: hub.kubeconfigPath } },
          argocd: {},
          defaults: { injector: { authPath: "auth/kubernetes-{name}" } },
        },
      ],
    };
    await writeFile(world.fleetPath, JSON.stringify(fleet));
    engine = await startEngine(world);
  });
  after(() => endAll(engine, world, reserved));

  it("is registered when the cluster joins, and injects its pods with the settings of the hub's clusters", async () => {
    await hub.apply(clusterSecret("cluster-one", { name: "one", server: one.url, config: adminConfig(one) }));
    engine.child.kill("SIGHUP");
    const found = await one.waitFor("the registration", () => registrationOf(one), 180_000);
    assert.match(found.webhooks[0].clientConfig.url, /\/c\/one\/[\w-]{43}\/mutate$/);
    await untilAsked(one);
    const { pod, message } = await createPod(
      one,
      aPod({ generateName: "web-", annotations: annotations(world.vault.address) }),
    );
    assert.deepEqual(agentsOf(pod), ["vault-agent-init", "vault-agent"], message);
    assert.equal(authPathOf(pod), "auth/kubernetes-one");
    assert.ok(((await reviews(await engine.metrics())).injected ?? 0) > 0);
    assert.equal(await registrationOf(hub), undefined, "the hub itself is no cluster of the fleet");
  });
});

/** Where the agent logs in. */
function authPathOf({ spec }: { readonly spec: object }): unknown {
  const { initContainers } = spec as { initContainers: readonly { env: readonly { name: string; value: string }[] }[] };
  const config = initContainers[0]?.env.find(({ name }) => name === "VAULT_CONFIG")?.value ?? "";
  return JSON.parse(Buffer.from(config, "base64").toString()).auto_auth.method.mount_path;
}
