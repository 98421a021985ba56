import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { AuthenticationV1Api, KubeConfig } from "@kubernetes/client-node";
import { type Cluster, type KubeObject, startCluster, startVault, type Vault } from "../harness/index.ts";

const SECRET = { apiVersion: "v1", kind: "Secret" } as const;
const NAMESPACE = { apiVersion: "v1", kind: "Namespace" } as const;
const CONFIG_MAP = { apiVersion: "v1", kind: "ConfigMap" } as const;

const WIDGETS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    names: { kind: "Widget", listKind: "WidgetList", plural: "widgets", singular: "widget" },
    scope: "Namespaced",
    versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
  },
};

describe("two clusters, an OpenBao and a Vault side by side", () => {
  let stack: AsyncDisposableStack;
  let east: Cluster;
  let west: Cluster;
  let vaults: readonly Vault[];
  const pids: number[] = [];

  before(async () => {
    stack = new AsyncDisposableStack();
    const started = await Promise.all([
      startCluster({ name: "east", crds: [WIDGETS] }),
      startCluster({ name: "west", admissionPlugins: ["OwnerReferencesPermissionEnforcement"] }),
      startVault({ flavor: "openbao" }),
      startVault({ flavor: "vault", tls: true }),
    ]);
    for (const one of started) stack.use(one);
    [east, west] = started;
    vaults = [started[2], started[3]];
    for (const { servers } of [east, west]) pids.push(...Object.values(servers).map((server) => server.pid() ?? 0));
    pids.push(...vaults.map(({ server }) => server.pid() ?? 0));
  });

  after(async () => {
    await stack.disposeAsync();
    assert.deepEqual(pids.filter(isAlive), []);
  });

  it("kubernetes-rules 25: an object goes when its owner goes, custom owners included", async () => {
    const meta = { namespace: "default" };
    const owners = await east.apply([
      { ...CONFIG_MAP, metadata: { ...meta, name: "owner" } },
      { apiVersion: "example.com/v1", kind: "Widget", metadata: { ...meta, name: "owner" } },
    ]);
    for (const [index, owner] of owners.entries()) {
      const reference = { apiVersion: owner.apiVersion, kind: owner.kind, name: "owner", uid: owner.metadata.uid };
      const secret = { ...SECRET, metadata: { ...meta, name: `owned-${index}`, ownerReferences: [reference] } };
      await east.apply(secret);
      await east.delete(owner);
      await east.waitFor(`the end of what a ${owner.kind} owned`, async () => (await east.get(secret)) === undefined);
    }
  });

  it("kubernetes-rules 25: a namespace goes with all that is in it", async () => {
    const namespace = { ...NAMESPACE, metadata: { name: "gone" } };
    await west.apply([namespace, { ...SECRET, metadata: { namespace: "gone", name: "s" } }]);
    await west.delete(namespace);
    await west.waitFor("the namespace's end", async () => (await west.get(namespace)) === undefined);
  });

  it("kubernetes-rules 25: OwnerReferencesPermissionEnforcement is on where it was asked for", async () => {
    const role = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRole",
      metadata: { name: "patcher" },
      rules: [{ apiGroups: [""], resources: ["secrets"], verbs: ["create", "patch"] }],
    };
    const binding = {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: "patcher" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "patcher" },
      subjects: [{ kind: "Group", name: "patchers" }],
    };
    for (const [cluster, expected] of [
      [east, 200],
      [west, 403],
    ] as const) {
      const [owner] = await cluster.apply([
        { ...CONFIG_MAP, metadata: { namespace: "default", name: "an-owner" } },
        { ...SECRET, metadata: { namespace: "default", name: "free" } },
        role,
        binding,
      ]);
      const reference = { ...CONFIG_MAP, name: "an-owner", uid: owner?.metadata.uid };
      const body = { metadata: { ownerReferences: [reference] } };
      await using pat = await cluster.clientFor({ user: "pat", groups: ["patchers"] });
      const patch = (change: object) =>
        pat.request("PATCH", "/api/v1/namespaces/default/secrets/free", change, {
          contentType: "application/merge-patch+json",
        });
      await cluster.waitFor("the role to be in force", async () => (await patch({})).status === 200);
      const answer = await patch(body);
      assert.equal(answer.status, expected, answer.text);
    }
  });

  it("a token of each cluster opens both Vaults by the Kubernetes login and by the JWT login, no other's does", async () => {
    for (const vault of vaults) {
      for (const [cluster, other] of [
        [east, west],
        [west, east],
      ] as const) {
        const mount = `kubernetes-${cluster.name}`;
        await vault.enableKubernetesAuth(cluster, { mount });
        const bound = { bound_service_account_names: "default", bound_service_account_namespaces: "default" };
        await vault.write(`auth/${mount}/role/app`, { ...bound, audience: "vault", token_policies: "default" });
        await vault.enableJwtAuth(cluster, { mount: `jwt-${cluster.name}` });
        await vault.write(`auth/jwt-${cluster.name}/role/app`, {
          role_type: "jwt",
          user_claim: "sub",
          bound_audiences: ["vault"],
          token_policies: "default",
        });
        const account = { namespace: "default", name: "default", audiences: ["vault"] };
        const login = async (at: string, jwt: string) =>
          (await vault.request("POST", `auth/${at}/login`, { role: "app", jwt }, { token: null })).status;
        const [own, foreign] = [await cluster.tokenFor(account), await other.tokenFor(account)];
        assert.equal(await login(mount, own), 200);
        assert.equal(await login(`jwt-${cluster.name}`, own), 200);
        assert.notEqual(await login(mount, foreign), 200);
        assert.notEqual(await login(`jwt-${cluster.name}`, foreign), 200);
      }
    }
  });

  it("an AppRole opens both Vaults", async () => {
    for (const vault of vaults) {
      const { roleId, secretId } = await vault.enableAppRole({ role: "app", policies: ["default"] });
      const login = { role_id: roleId, secret_id: secretId };
      assert.equal((await vault.request("POST", "auth/approle/login", login, { token: null })).status, 200);
    }
  });

  it("each read of a Vault is in the audit counts", async () => {
    for (const vault of vaults) {
      await vault.enableKv("counted", 2);
      await vault.enableKv("old", 1);
      assert.equal(await vault.putKv("counted", "app", { password: "x" }), 1);
      assert.equal(await vault.putKv("counted", "app", { password: "y" }), 2);
      await vault.putKv("old", "app", { password: "z" });
      for (let reads = 0; reads < 3; reads++) await vault.read("counted/data/app");
      assert.deepEqual((await vault.read("old/app"))?.data, { password: "z" });
      assert.equal(await vault.read("counted/data/nothing"), undefined);
      const counts = await vault.auditedReads();
      assert.equal(counts.get("read counted/data/app"), 3);
      assert.equal(counts.get("read old/app"), 1);
      assert.equal(counts.get("update counted/data/app"), 1);
      assert.ok(
        (await vault.auditLines()).some(({ type, request }) => type === "request" && request.path === "old/app"),
      );
    }
  });

  it("a Vault that was sealed, killed or stopped comes back with its data", async () => {
    for (const vault of vaults) {
      await vault.enableKv("kept", 2);
      await vault.putKv("kept", "app", { word: "still here" });
      const health = async () => (await vault.request("GET", "sys/health")).status;
      const word = async () => (await vault.read<{ data: { data: unknown } }>("kept/data/app"))?.data.data;
      await vault.seal();
      assert.equal(await health(), 503);
      await vault.unseal();
      assert.deepEqual(await word(), { word: "still here" });
      await vault.kill();
      await assert.rejects(health());
      await vault.start();
      assert.deepEqual(await word(), { word: "still here" });
      await vault.restart({ sealed: true });
      assert.equal(await health(), 503);
      await vault.unseal();
      assert.deepEqual(await word(), { word: "still here" });
      vault.pause();
      await assert.rejects(vault.request("GET", "sys/health", undefined, { timeoutMs: 300 }), /timeout/i);
      vault.resume();
      assert.equal(await health(), 200);
      pids.push(vault.server.pid() ?? 0);
    }
  });

  it("an API server comes back on its port with its data", async () => {
    const secret = { ...SECRET, metadata: { namespace: "default", name: "kept" }, data: { word: "c3RpbGw=" } };
    await east.apply(secret);
    await east.restart();
    assert.deepEqual((await east.get(secret))?.data, secret.data);
    east.pause();
    await assert.rejects(east.request("GET", "/readyz", undefined, { timeoutMs: 300 }), /timeout/i);
    east.resume();
    await east.waitFor("a ready API server", async () => (await east.request("GET", "/readyz")).status === 200);
    pids.push(east.servers.api.pid() ?? 0);
  });

  it("a restored etcd knows nothing of what came after, and counts its versions from then", async () => {
    const [first, later] = ["first", "later"].map((name) => ({ ...SECRET, metadata: { namespace: "default", name } }));
    assert.ok(first && later);
    await west.apply(first);
    const snapshot = await west.snapshotEtcd();
    const [written] = await west.apply(later);
    await west.restoreEtcd(snapshot);
    assert.ok(await west.get(first));
    assert.equal(await west.get(later), undefined);
    const [again] = await west.apply(first);
    assert.ok(version(again) <= version(written));
    pids.push(...Object.values(west.servers).map((server) => server.pid() ?? 0));
  });

  it("the API server's own counters tell one request from another", async () => {
    const before = await east.metrics();
    await east.get({ ...SECRET, name: "kept" });
    await east.get({ ...SECRET, name: "kept" });
    const now = await east.metrics();
    const gets = { verb: "GET", resource: "secrets", code: "200" };
    assert.equal(now.count(gets) - before.count(gets), 2);
  });

  it("kubeconfigs are of the identity that was asked for", async () => {
    for (const [text, name] of [
      [await east.kubeconfigFor({ user: "ann", groups: ["readers"] }), "ann"],
      [
        await east.kubeconfigFor({ serviceAccount: { namespace: "default", name: "default" } }),
        "system:serviceaccount:default:default",
      ],
      [east.adminKubeconfig, "harness-admin"],
    ] as const) {
      const config = new KubeConfig();
      config.loadFromString(text);
      const api = config.makeApiClient(AuthenticationV1Api);
      const review = await api.createSelfSubjectReview({ body: {} });
      assert.equal(review.status?.userInfo?.username, name);
    }
  });
});

const version = (object: KubeObject | undefined): number => Number(object?.metadata.resourceVersion);

/** Asks ps and not kill(0), to which a process that nobody has waited for still is one. */
function isAlive(pid: number): boolean {
  try {
    return !execFileSync("ps", ["-o", "stat=", "-p", String(pid)], { encoding: "utf8" }).startsWith("Z");
  } catch {
    return false;
  }
}
