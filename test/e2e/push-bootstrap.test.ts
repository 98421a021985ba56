import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Cluster, waitFor } from "../harness/index.ts";
import { practiceIn } from "./support/doctor.ts";
import { keyferry, startEngine } from "./support/engine.ts";
import { authMount, startWorld, type World } from "./support/world.ts";

const NS = "team-a";
const PUSH = {
  paths: ["kv/apps/{namespace}/**"],
  identity: { role: "pusher-role", serviceAccount: { name: "pusher" }, audiences: ["vault"] },
};

/** A cluster of fleet.yaml that nothing was prepared for, with a push. */
async function declared(world: World, cluster: Cluster): Promise<void> {
  const mount = authMount(cluster);
  await world.writeFleet(() => ({
    connect: { kubeconfig: { path: "printed.kubeconfig" } },
    vault: { name: "main", authMount: mount },
    push: { ...PUSH, identity: { ...PUSH.identity, mount } },
  }));
}

describe("what bootstrap prints for a cluster with a push", { concurrency: 1 }, () => {
  for (const flavor of ["openbao", "vault"] as const) {
    it(`is all that a push to ${flavor} needs`, async () => {
      await using world = await startWorld({
        vault: { flavor },
        cluster: { controllers: ["serviceaccount-token-controller"] },
      });
      const [cluster] = world.clusters as [Cluster];
      await declared(world, cluster);
      await using practice = await practiceIn(world, cluster);
      const printed = async (form: string): Promise<string> => {
        const { code, stdout, stderr } = await keyferry(["bootstrap", "one", "--fleet", world.fleetPath, "-o", form]);
        assert.equal(code, 0, stderr);
        return stdout;
      };
      const yaml = await printed("yaml");
      await practice.shell(`set -e\nkubectl apply -f - <<'YAML'\n${yaml}\nYAML`);
      await practice.shell(await printed("vault"));
      await practice.shell(`cd '${world.folder}'\n${await printed("connect")}`);
      const metadata = { name: "db", namespace: NS, annotations: { "vault-sync.io/path": `kv/apps/${NS}/db` } };
      const bytes = Buffer.from([0xff, 0xfe]).toString("base64");
      await cluster.apply([
        { apiVersion: "v1", kind: "Namespace", metadata: { name: NS } },
        { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "pusher", namespace: NS } },
        { apiVersion: "v1", kind: "Secret", metadata, data: { password: "b25l", store: bytes } },
      ]);
      await using _engine = await startEngine(world);
      const path = `kv/data/apps/${NS}/db`;
      const held = () => world.vault.request<{ data?: { data: object; metadata: object } }>("GET", path);
      await waitFor("the push", async () => (await held()).status === 200);
      const told = async () => JSON.stringify((await held()).body.data?.metadata);
      await waitFor("the list of binary values", async () => (await told()).includes('"keyferry.base64":"store"'));
      assert.deepEqual((await held()).body.data?.data, { password: "one", store: bytes });
      await cluster.request("DELETE", `/api/v1/namespaces/${NS}/secrets/db`);
      await waitFor("its removal", async () => (await held()).status === 404);
    });
  }
});
