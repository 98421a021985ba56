import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Cluster, KubeObject } from "../harness/index.ts";
import { type RunningEngine, startEngine, status } from "./support/engine.ts";
import { assertNoLeak } from "./support/no-leak.ts";
import { type Condition, type Place, placeIn } from "./support/place.ts";
import { NOBODY } from "./support/stand-ins.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { authMount, OPERATOR_NAMESPACE, type World } from "./support/world.ts";

const NS = "team-a";
const API = "secrets.hashicorp.com/v1beta1";
const PASSWORD = "Zt5-correct-horse-battery";
/** A recheck alone may take 45 s. */
const PATIENT_MS = 120_000;

interface Table {
  readonly columnDefinitions: readonly { readonly name: string }[];
  readonly rows: readonly { readonly cells: readonly unknown[] }[];
}

describe("every kind shows how it fares, and is written on change only", () => {
  let world: World;
  let engine: RunningEngine;
  let cluster: Cluster;
  let place: Place;
  let operator: Place;

  before(async () => {
    ({ world, cluster, place } = await startPlace(NS));
    operator = placeIn(cluster, OPERATOR_NAMESPACE);
    await world.vault.putKv("kv", "app", { password: PASSWORD });
    engine = await startEngine(world);
    await place.declare("app");
    await place.synced("app");
  });
  after(() => endAll(engine, world));

  const apply = (kind: string, name: string, spec: object, metadata: object = {}) =>
    cluster.apply({ apiVersion: API, kind, metadata: { name, namespace: NS, ...metadata }, spec });
  const connect = (name: string, spec: object = {}) =>
    apply("VaultConnection", name, { address: world.vault.address, ...spec });
  const login = (name: string, spec: object = {}) =>
    apply("VaultAuth", name, {
      method: "kubernetes",
      mount: authMount(cluster),
      vaultConnectionRef: name,
      kubernetes: { role: "nobody-asked", serviceAccount: "app" },
      ...spec,
    });
  const statusOf = (resource: KubeObject | undefined) =>
    (resource?.status ?? {}) as { valid?: boolean; error?: string; conditions?: Condition[] };

  /** Waits until the resource says so of its present generation; answers its conditions as `True Reason`. */
  async function says(at: Place, kind: string, name: string, valid: boolean, timeoutMs = PATIENT_MS) {
    const found = await cluster.waitFor(
      `${kind} ${name} to be ${valid ? "valid" : "invalid"}`,
      async () => {
        const resource = await at.resource(name, kind);
        const { conditions = [], ...rest } = statusOf(resource);
        const isCurrent = conditions.some(
          ({ type, observedGeneration }) => type === "Ready" && observedGeneration === resource?.metadata.generation,
        );
        return isCurrent && rest.valid === valid && resource;
      },
      timeoutMs,
    );
    const { conditions = [], error } = statusOf(found);
    const short = Object.fromEntries(conditions.map((one) => [one.type, `${one.status} ${one.reason}`]));
    return { short, error, messages: Object.fromEntries(conditions.map((one) => [one.type, one.message])) };
  }

  it("a VaultConnection that answers and a VaultAuth that resolves are valid, and say so once", async () => {
    const connection = await says(operator, "VaultConnection", "default", true);
    assert.deepEqual(connection.short, {
      VaultPing: "True Accepted",
      ResourceValidation: "True Accepted",
      Healthy: "True Healthy",
      Ready: "True Ready",
    });
    assert.equal(connection.messages.Ready, "VaultConnectionReady");
    const auth = await says(operator, "VaultAuth", "default", true);
    assert.deepEqual(auth.short, {
      Healthy: "True Healthy",
      Ready: "True Ready",
      AudienceMissing: "True NoAudiences",
    });
    assert.equal(auth.error, "");
    for (const kind of ["VaultConnection", "VaultAuth"]) {
      await cluster.waitFor(`the event of ${kind}`, async () =>
        (await operator.events("default")).some(({ message }) => message === `${kind} accepted`),
      );
    }
    // Kinds are listed side by side: on a busy machine a VaultAuth is judged before its VaultConnection was seen.
    const events = async () =>
      (await operator.events("default"))
        .filter(({ message }) => !message.startsWith("REFERENCE_MISSING: VaultConnection"))
        .map(({ type, reason }) => `${type} ${reason}`)
        .sort();
    await cluster.waitFor("the warning", async () => (await events()).includes("Warning NoAudiences"));
    assert.deepEqual(await events(), ["Normal Accepted", "Normal Accepted", "Warning NoAudiences"]);
  });

  it("a VaultAuth whose service account's token is for no audience of its own warns of it, until it names one", async () => {
    await connect("audience");
    await login("audience");
    const lacking = await says(place, "VaultAuth", "audience", true);
    assert.equal(lacking.short.AudienceMissing, "True NoAudiences");
    assert.match(lacking.messages.AudienceMissing ?? "", /set spec\.kubernetes\.audiences/);
    await login("audience", { kubernetes: { role: "nobody-asked", serviceAccount: "app", audiences: ["vault"] } });
    assert.equal((await says(place, "VaultAuth", "audience", true)).short.AudienceMissing, undefined);
  });

  it("a VaultConnection without a Vault says where it fails, and heals", async () => {
    await connect("moved", { address: NOBODY });
    const silent = await says(place, "VaultConnection", "moved", false);
    assert.deepEqual(silent.short, {
      VaultPing: "False InvalidConfiguration",
      ResourceValidation: "False InvalidConfiguration",
      Healthy: "False Unhealthy",
      Ready: "False Ready",
    });
    assert.match(silent.messages.Ready ?? "", /^VAULT_UNAVAILABLE: /);
    await connect("moved");
    assert.equal((await says(place, "VaultConnection", "moved", true)).short.VaultPing, "True Accepted");

    await connect("ca", { address: world.vault.address.replace("http:", "https:"), caCertSecretRef: "no-such-ca" });
    const lacking = await says(place, "VaultConnection", "ca", false);
    assert.equal(lacking.short.VaultClient, "False VaultClientConfigError");
    assert.equal(lacking.short.VaultPing, undefined);
    await connect("ca");
    assert.equal((await says(place, "VaultConnection", "ca", true)).short.VaultClient, undefined);
  });

  it("a VaultAuth waits for its VaultConnection, and no login is tried", async () => {
    await login("later");
    const missing = await says(place, "VaultAuth", "later", false);
    assert.match(missing.error ?? "", /^REFERENCE_MISSING: VaultConnection team-a\/later /);
    await connect("later");
    assert.equal((await says(place, "VaultAuth", "later", true)).error, "");
    await login("later", { kubernetes: { role: "nobody-asked" } });
    assert.match((await says(place, "VaultAuth", "later", false)).error ?? "", /kubernetes\.serviceAccount: required/);
    const logins = await world.vault.auditedReads();
    assert.equal(logins.get(`update auth/${authMount(cluster)}/login`), 1, "that of the sync");
  });

  it("a VaultAuth says whether its VaultAuthGlobal could be merged", async () => {
    await connect("shared");
    await apply("VaultAuth", "shared", { vaultConnectionRef: "shared", vaultAuthGlobalRef: { name: "shared" } });
    const missing = await says(place, "VaultAuth", "shared", false);
    assert.equal(missing.short.Available, "False VaultAuthGlobalRef");
    assert.match(missing.messages.Available ?? "", /^REFERENCE_MISSING: VaultAuthGlobal team-a\/shared /);
    const kubernetes = { role: "nobody-asked", serviceAccount: "app" };
    const spec = { defaultAuthMethod: "kubernetes", defaultMount: authMount(cluster), kubernetes };
    await apply("VaultAuthGlobal", "shared", spec);
    const merged = await says(place, "VaultAuth", "shared", true);
    assert.deepEqual(merged.short, {
      Available: "True VaultAuthGlobalRef",
      Healthy: "True Healthy",
      Ready: "True Ready",
      AudienceMissing: "True NoAudiences",
    });
    const global = await place.resource("shared", "VaultAuthGlobal");
    assert.equal(global?.status, undefined, "it has none");
  });

  it("each method's block of a VaultAuthGlobal fills a VaultAuth", async () => {
    const tokens = { role: "r", serviceAccount: "app", audiences: ["vault"], tokenExpirationSeconds: 900 };
    const aws = { role: "r", region: "eu-west-1", headerValue: "v", sessionName: "s", stsEndpoint: "https://sts" };
    const gcp = { role: "r", workloadIdentityServiceAccount: "a", region: "e", clusterName: "c", projectID: "p" };
    const both: Readonly<Record<string, object>> = { kubernetes: tokens, jwt: tokens, gcp };
    const byAccount = { ...both, appRole: { roleId: "r", secretRef: "s" }, aws: { ...aws, irsaServiceAccount: "a" } };
    const bySecret = { ...byAccount, jwt: { role: "r", secretRef: "s" }, aws: { ...aws, secretRef: "s" } };
    const globalOf = (blocks: Readonly<Record<string, object>>, more: object) => {
      const filled = Object.entries(blocks).map(([method, block]) => [method, { ...block, ...more }]);
      const spec = { vaultConnectionRef: `${OPERATOR_NAMESPACE}/default`, ...Object.fromEntries(filled) };
      return apply("VaultAuthGlobal", "blocks", spec);
    };
    const methods = Object.keys(byAccount);
    const all = (valid: boolean) =>
      Promise.all(methods.map((method) => says(place, "VaultAuth", `block-${method.toLowerCase()}`, valid)));

    for (const method of methods) {
      await apply("VaultAuth", `block-${method.toLowerCase()}`, { method, vaultAuthGlobalRef: { name: "blocks" } });
    }
    await all(false);
    await globalOf(byAccount, { mount: "m", namespace: "n", headers: { "X-Team": "a" } });
    for (const { short } of await all(true)) assert.equal(short.Available, "True VaultAuthGlobalRef");
    await globalOf(byAccount, {});
    for (const { error } of await all(false)) assert.match(error ?? "", /spec\.mount: required/);
    await globalOf(bySecret, { mount: "m" });
    await all(true);
    await globalOf(Object.fromEntries(methods.map((method) => [method, {}])), { mount: "m" });
    for (const { error } of await all(false)) assert.match(error ?? "", /required|needs/);
  });

  it("a SecretTransformation that can be read is valid", async () => {
    await apply("SecretTransformation", "shared", { templates: { a: { text: "{{ .Secrets.password }}" } } });
    const { short, messages } = await says(place, "SecretTransformation", "shared", true);
    assert.deepEqual(short, { Healthy: "True Healthy", Ready: "True Ready" });
    assert.equal(messages.Ready, "SecretsTransformationReady");
  });

  it("kubectl get shows the columns of each kind", async () => {
    const table = async (resource: string, namespace: string): Promise<Table> => {
      const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
      const path = `/apis/${API}/namespaces/${namespace}/${resource}`;
      return (await cluster.request<Table>("GET", path, undefined, { headers: { accept } })).body;
    };
    const shown = async (resource: string, name: string, namespace = NS) => {
      const { columnDefinitions, rows } = await table(resource, namespace);
      const cells = rows.find((row) => row.cells[0] === name)?.cells ?? [];
      return Object.fromEntries(columnDefinitions.map((column, at) => [column.name, cells[at]]));
    };
    const { Age, ...sync } = await shown("vaultstaticsecrets", "app");
    assert.deepEqual(sync, { Name: "app", Synced: "True", Healthy: "True", Ready: "True" });
    assert.match(String(Age), /^\d+[sm]/);
    for (const [resource, name, namespace] of [
      ["vaultconnections", "default", OPERATOR_NAMESPACE],
      ["vaultauths", "default", OPERATOR_NAMESPACE],
      ["secrettransformations", "shared", NS],
    ] as const) {
      const { Age: age, ...cells } = await shown(resource, name, namespace);
      assert.deepEqual(cells, { Name: name, Healthy: "True", Ready: "True" }, resource);
      assert.match(String(age), /^\d+[sm]/);
    }
    for (const resource of ["vaultdynamicsecrets", "vaultpkisecrets"]) {
      const names = (await table(resource, NS)).columnDefinitions.map(({ name }) => name);
      assert.deepEqual(names, ["Name", "Synced", "Healthy", "Ready", "Age"], resource);
    }
  });

  it("a finalizer that VSO left is taken off a deleted reference, and none is added", async () => {
    const kept = await place.resource("later", "VaultConnection");
    assert.equal(kept?.metadata.finalizers, undefined);
    const finalizers = ["vaultauth.secrets.hashicorp.com/finalizer"];
    await apply("VaultAuth", "left", { method: "jwt" }, { finalizers });
    await says(place, "VaultAuth", "left", false);
    await cluster.delete({ apiVersion: API, kind: "VaultAuth", namespace: NS, name: "left" });
    await cluster.waitFor("VaultAuth left to go", async () => !(await place.resource("left", "VaultAuth")));
  });

  it("metrics tell of single syncs, under our names and VSO's", async () => {
    await place.declare("lost", { path: "no-such-path" });
    await place.failed("lost", "VAULT_PATH_MISSING");
    const app = 'cluster="one",kind="VaultStaticSecret",namespace="team-a",name="app"';
    const text = await cluster.waitFor("both syncs to be shown", async () => {
      const shown = await engine.metrics();
      return shown.includes('name="lost",code="VAULT_PATH_MISSING"') && shown.includes(app) && shown;
    });
    for (const line of [
      `keyferry_sync_age_seconds{${app}} `,
      `keyferry_sync_lag_seconds{${app}} `,
      'controller_resource_status{controller="vaultstaticsecret",name="app",namespace="team-a",cluster="one"} 1',
      'controller_resource_status{controller="vaultstaticsecret",name="lost",namespace="team-a",cluster="one"} 0',
      `controller_resource_status{controller="vaultauth",name="default",namespace="${OPERATOR_NAMESPACE}",cluster="one"} 1`,
      'vso_secret_sync_total{controller="vaultstaticsecret",cluster="one"} ',
      'vso_secret_sync_errors_total{controller="vaultstaticsecret",cluster="one",code="VAULT_PATH_MISSING"} ',
      `vso_client_operations_total{operation="read",vault_connection="${OPERATOR_NAMESPACE}/default"} `,
      `vso_client_operations_total{operation="login",vault_connection="${OPERATOR_NAMESPACE}/default"} 1`,
    ]) {
      assert.ok(text.includes(line), line);
    }
    await place.undeclare("lost");
    await cluster.waitFor("the series of what is gone to go", async () => {
      const shown = await engine.metrics();
      return !shown.includes('name="lost"');
    });
  });

  it("an outage shows on the VaultConnection, and its end does", async () => {
    await world.vault.stop();
    const away = await says(operator, "VaultConnection", "default", false);
    assert.equal(away.short.VaultPing, "False InvalidConfiguration");
    await says(operator, "VaultAuth", "default", true);
    await world.vault.start();
    assert.equal((await says(operator, "VaultConnection", "default", true)).short.Ready, "True Ready");
    for (const name of ["audience", "moved", "ca", "later", "shared"]) {
      await says(place, "VaultConnection", name, true);
    }
    await place.synced("app", PATIENT_MS);
  });

  it("lease-table 24: a restart writes no status again, and references are no syncs", async () => {
    const versions = async () => {
      const all = ["vaultconnections", "vaultauths", "secrettransformations", "vaultstaticsecrets"].map(
        async (kind) => {
          const { body } = await cluster.request<{ items: KubeObject[] }>("GET", `/apis/${API}/${kind}`);
          return body.items.map(({ metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`);
        },
      );
      return (await Promise.all(all)).flat();
    };
    const before = await versions();
    assert.equal(await engine.stop(), 0);
    engine = await startEngine(world);
    await world.vault.putKv("kv", "after", { password: PASSWORD });
    await place.declare("after");
    await place.synced("after");
    const after = (await versions()).filter((line) => !line.includes(" after "));
    assert.deepEqual(after, before);
    const { syncs } = await status(world);
    assert.deepEqual(
      syncs.map(({ key }) => key),
      ["one/VaultStaticSecret/team-a/after", "one/VaultStaticSecret/team-a/app"],
    );
    await assertNoLeak(world, engine, [PASSWORD]);
  });
});
