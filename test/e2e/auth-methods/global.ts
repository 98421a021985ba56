import assert from "node:assert/strict";
import { it } from "node:test";
import { OPERATOR_NAMESPACE, ROLE } from "../support/world.ts";
import { API, type AuthScene, NS } from "./scene.ts";

type Headers = Readonly<Record<string, unknown>>;

/** The headers of ours that each request with this path was sent with, as the audit log has them. */
async function sentWith(scene: AuthScene, path: string): Promise<readonly Headers[]> {
  const lines: readonly { readonly request: { readonly path: string; readonly headers?: Headers } }[] =
    await scene.world.vault.auditLines();
  const ours = (headers: Headers = {}) => Object.entries(headers).filter(([name]) => name.startsWith("x-of-"));
  return lines.flatMap(({ request }) => (request.path === path ? [Object.fromEntries(ours(request.headers))] : []));
}

/** VaultAuthGlobal, as it is on every Vault. */
export function globalStories(scene: () => AuthScene): void {
  const declareGlobal = (name: string, namespace: string, spec: object) =>
    scene().cluster.apply({ apiVersion: API, kind: "VaultAuthGlobal", metadata: { name, namespace }, spec });
  const GLOBAL = {
    allowedNamespaces: ["*"],
    vaultConnectionRef: `${OPERATOR_NAMESPACE}/default`,
    defaultAuthMethod: "kubernetes",
    defaultMount: "kubernetes-one",
    kubernetes: { role: ROLE, serviceAccount: "app" },
  };

  it("VaultAuthGlobal: the operator's default fills in what a VaultAuth leaves out", async () => {
    const { cluster, place, follows } = scene();
    const metadata = { name: "from-default", namespace: NS };
    const spec = { vaultAuthGlobalRef: { allowDefault: true } };
    await cluster.apply({ apiVersion: API, kind: "VaultAuth", metadata, spec });
    await place.declare("from-default", { path: "db", vaultAuthRef: "from-default" });
    await place.failed("from-default", "REFERENCE_MISSING", undefined, /VaultAuthGlobal team-a\/default or /);
    await declareGlobal("default", OPERATOR_NAMESPACE, GLOBAL);
    await follows("from-default", { vaultAuthRef: "from-default" });
  });

  it("VaultAuthGlobal: one that changes is followed, and one that does not allow the namespace is refused", async () => {
    const { declareAuth, place, follows } = scene();
    const vaultAuthGlobalRef = { name: "shared", namespace: OPERATOR_NAMESPACE };
    await declareAuth("from-shared", { vaultAuthGlobalRef });
    const wrong = { ...GLOBAL, kubernetes: { ...GLOBAL.kubernetes, role: "nobody" } };
    await declareGlobal("shared", OPERATOR_NAMESPACE, wrong);
    await place.declare("from-shared", { path: "db", vaultAuthRef: "from-shared" });
    await place.failed("from-shared", "VAULT_LOGIN_REFUSED");
    await declareGlobal("shared", OPERATOR_NAMESPACE, GLOBAL);
    await follows("from-shared", { vaultAuthRef: "from-shared" });
    await declareGlobal("shared", OPERATOR_NAMESPACE, { ...GLOBAL, allowedNamespaces: ["team-b"] });
    assert.match(
      await place.failed("from-shared", "REFERENCE_NOT_ALLOWED"),
      /VaultAuthGlobal .*\/shared does not allow/,
    );
  });

  it("headers: a connection's with each request, a VaultAuth's and its global's with the login alone", async () => {
    const { world, cluster, place, follows } = scene();
    for (const name of ["x-of-connection", "x-of-auth", "x-of-global"]) {
      await world.vault.write(`sys/config/auditing/request-headers/${name}`, { hmac: false });
    }
    const metadata = { name: "with-headers", namespace: NS };
    await cluster.apply([
      {
        apiVersion: API,
        kind: "VaultConnection",
        metadata,
        spec: { address: world.vault.address, skipTLSVerify: true, headers: { "X-Of-Connection": "1" } },
      },
      {
        apiVersion: API,
        kind: "VaultAuth",
        metadata,
        spec: {
          vaultConnectionRef: "with-headers",
          vaultAuthGlobalRef: { name: "with-headers", mergeStrategy: { headers: "union" } },
          headers: { "X-Of-Auth": "own" },
        },
      },
    ]);
    const headers = { "X-Of-Global": "1", "X-Of-Auth": "global's" };
    await declareGlobal("with-headers", NS, { ...GLOBAL, defaultMount: "headers", headers });
    await world.vault.enableKubernetesAuth(cluster, { mount: "headers" });
    await world.vault.write(`auth/headers/role/${ROLE}`, {
      bound_service_account_names: "app",
      bound_service_account_namespaces: NS,
      token_policies: ROLE,
    });
    await world.vault.putKv("kv", "with-headers", { a: "1" });
    await follows("with-headers-login", { vaultAuthRef: "with-headers" });
    await place.declare("with-headers", { path: "with-headers", vaultAuthRef: "with-headers" });
    await place.synced("with-headers");
    const logins = await sentWith(scene(), "auth/headers/login");
    assert.ok(logins.length > 0);
    for (const login of logins) {
      assert.deepEqual(login, { "x-of-connection": ["1"], "x-of-auth": ["own"], "x-of-global": ["1"] });
    }
    const reads = await sentWith(scene(), "kv/data/with-headers");
    const readers = reads.filter((read) => Object.keys(read).length > 0);
    assert.ok(readers.length > 0);
    for (const read of readers) assert.deepEqual(read, { "x-of-connection": ["1"] });
  });

  it("gcp: what a node's metadata server would be asked for has to be set", async () => {
    const { declareAuth, place } = scene();
    const gcp = { role: "shop", workloadIdentityServiceAccount: "app", clusterName: "main" };
    await declareAuth("gcp", { method: "gcp", mount: "gcp", gcp });
    await place.declare("gcp", { path: "db", vaultAuthRef: "gcp" });
    assert.match(await place.failed("gcp", "UNSUPPORTED"), /spec\.gcp\.region, spec\.gcp\.projectID .* set it/);
    await declareAuth("gcp", { method: "gcp", mount: "gcp", gcp: { ...gcp, region: "europe-west3", projectID: "p" } });
    assert.match(await place.failed("gcp", "REFERENCE_INVALID"), /iam\.gke\.io\/gcp-service-account/);
  });
}
