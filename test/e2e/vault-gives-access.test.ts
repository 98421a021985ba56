import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { waitFor } from "../harness/index.ts";
import { issuerPolicy } from "../harness/vault/identities.ts";
import { keyferry, startEngine, status } from "./support/engine.ts";
import { endAll, type StartedPlace, startPlace } from "./support/start-place.ts";
import { OPERATOR_NAMESPACE } from "./support/world.ts";

const API = "secrets.hashicorp.com/v1beta1";
const BINDING = {
  apiVersion: "rbac.authorization.k8s.io/v1",
  kind: "ClusterRoleBinding",
  metadata: { name: "keyferry" },
  roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "keyferry-watch" },
  subjects: [{ kind: "ServiceAccount", namespace: "keyferry", name: "keyferry" }],
};

describe("a cluster whose token and whose Vault fleet.yaml names", () => {
  let started: StartedPlace | undefined;
  const world = () => started ?? assert.fail("not started");

  before(async () => {
    started = await startPlace("shop", { vault: { flavor: "openbao" } });
    const { cluster, world: made, place } = started;
    const { vault } = made;
    // Nothing in the cluster says where Vault is.
    await cluster.delete({ apiVersion: API, kind: "VaultConnection", namespace: OPERATOR_NAMESPACE, name: "default" });
    const rbac = await readFile(new URL("../../infra/kubernetes/rbac.yaml", import.meta.url), "utf8");
    const account = { namespace: "keyferry", name: "keyferry" };
    await cluster.apply([
      { apiVersion: "v1", kind: "Namespace", metadata: { name: account.namespace } },
      { apiVersion: "v1", kind: "ServiceAccount", metadata: account },
      ...parseAllDocuments(rbac).map((one) => one.toJS() as object),
      BINDING,
    ]);
    await vault.enableKubernetesSecrets(cluster);
    await vault.putKubernetesRole("keyferry", { account: account.name });
    await vault.writePolicy("ferry", issuerPolicy({ updates: ["kubernetes/creds/keyferry"] }));
    await vault.enableJwtAuth(cluster);
    await vault.write("auth/jwt/role/ferry", {
      ...{ role_type: "jwt", user_claim: "sub", bound_audiences: ["vault"], token_policies: ["ferry"] },
      bound_subject: `system:serviceaccount:${account.namespace}:${account.name}`,
    });
    await vault.enableKubernetesAuth(cluster, { mount: "own" });
    await vault.write("auth/own/role/ferry", {
      ...{ bound_service_account_names: [account.name], bound_service_account_namespaces: [account.namespace] },
      token_policies: ["ferry"],
    });
    await writeFile(join(made.folder, "jwt"), `${await cluster.tokenFor({ ...account, audiences: ["vault"] })}\n`);
    await writeFile(join(made.folder, "token"), await cluster.tokenFor(account));
    await writeFile(join(made.folder, "cluster-ca.pem"), cluster.caPem);
    await vault.putKv("kv", "db", { password: "one" });
    await place.declare("db");
  });
  after(() => endAll(started?.world));

  const writeFleet = (identity: string) => {
    const { cluster, world: made } = world();
    const vaultKubernetes = {
      ...{ vault: "main", identity, role: "keyferry", namespace: "keyferry" },
      ...{ url: cluster.url, caFile: "cluster-ca.pem" },
    };
    const identities = [
      { name: "jwt", method: "jwt", role: "ferry", tokenFile: "jwt" },
      { name: "kubernetes", method: "kubernetes", mount: "own", role: "ferry", tokenFile: "token" },
    ];
    return made.writeFleet(() => ({ connect: { vaultKubernetes }, vault: { name: "main" } }), { identities });
  };

  for (const identity of ["jwt", "kubernetes"]) {
    it(`is planned and gets its Secrets, by the identity ${identity}`, async () => {
      const { world: made, place } = world();
      const { vault } = made;
      await writeFleet(identity);
      await vault.putKv("kv", "db", { password: identity });
      const planned = await keyferry(["plan", "--fleet", made.fleetPath]);
      assert.match(planned.stdout, /shop\/db/, planned.stderr);
      await using engine = await startEngine(made);
      await place.secretThat("db", ({ data }) => data.password === identity);
      await place.synced("db");
      const minted = () => engine.logs.filter(({ event }) => event === "cluster-token-minted");
      await waitFor("its line of log", async () => minted().length > 0);
      assert.equal(minted().length, 1);
      for (const file of ["jwt", "token"]) {
        assert.ok(!engine.output().includes((await readFile(join(made.folder, file), "utf8")).trim()));
      }
    });
  }

  it("and is away at the start is what status and log name; no circuit of the cluster opens, and all goes on", async () => {
    const { world: made, place } = world();
    const { vault } = made;
    // The stored token is of another identity.
    await writeFleet("jwt");
    await vault.putKv("kv", "db", { password: "later" });
    await vault.stop();
    await using engine = await startEngine(made);
    const failed = await waitFor("a failed watch pass", async () =>
      engine.logs.find(({ event }) => event === "watch-pass-failed"),
    );
    assert.equal(failed.code, "VAULT_UNAVAILABLE");
    assert.match(String(failed.message), new RegExp(vault.address));
    const [cluster] = (await status(made)).clusters;
    assert.equal(cluster?.error?.code, "VAULT_UNAVAILABLE");
    await vault.start();
    await place.secretThat("db", ({ data }) => data.password === "later", 90_000);
    const opened = engine.logs.filter(({ event }) => event === "circuit-opened").map(({ circuit }) => String(circuit));
    assert.deepEqual(
      opened.filter((id) => id.startsWith("cluster:")),
      [],
    );
  });
});
