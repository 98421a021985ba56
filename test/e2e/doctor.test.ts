import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { parse, stringify } from "yaml";
import { type Cluster, testCa } from "../harness/index.ts";
import { type Examination, foundAndMended, type Practice, practiceIn } from "./support/doctor.ts";
import { dataDirOf, runOnce } from "./support/engine.ts";
import { CONFIGURATION } from "./support/injector.ts";
import type { Place } from "./support/place.ts";
import { silentPort } from "./support/silent-port.ts";
import { endAll, startPlace } from "./support/start-place.ts";
import { authMount, OPERATOR_NAMESPACE, ROLE, type World } from "./support/world.ts";

const ACCOUNT = { namespace: "keyferry", name: "keyferry" };
const RBAC = new URL("../../infra/kubernetes/rbac.yaml", import.meta.url).pathname;
const MERGE = { contentType: "application/merge-patch+json" };
const PASSWORD = "Qx9-correct-horse-doctor";

/** How long an API server may take to follow a change. */
const FOLLOWED_MS = 30_000;
const GROUP = "/apis/secrets.hashicorp.com/v1beta1";
const FIELDS = ["schema", "openAPIV3Schema", "properties", "spec", "properties"];

type Fields = { [name: string]: unknown };

describe("doctor finds what is broken in a cluster, and what it prints mends it", () => {
  let world: World;
  let cluster: Cluster;
  let place: Place;
  let practice: Practice;
  let kubeconfig: string;

  before(async () => {
    ({ world, cluster, place } = await startPlace("shop"));
    practice = await practiceIn(world, cluster);
    kubeconfig = join(world.folder, "kubeconfig");
    await practice.shell(
      [
        "set -e",
        `kubectl create namespace ${ACCOUNT.namespace}`,
        `kubectl create serviceaccount ${ACCOUNT.name} -n ${ACCOUNT.namespace}`,
        `kubectl apply -f ${RBAC}`,
        "kubectl create clusterrolebinding keyferry --clusterrole=keyferry-watch --serviceaccount=keyferry:keyferry",
        // Doctor can name the webhooks and quotas that stand in the way, if it may list them.
        "kubectl create clusterrole keyferry-doctor --verb=list --resource=resourcequotas,mutatingwebhookconfigurations,validatingwebhookconfigurations",
        "kubectl create clusterrolebinding keyferry-doctor --clusterrole=keyferry-doctor --serviceaccount=keyferry:keyferry",
      ].join("\n"),
    );
    await world.vault.putKv("kv", "database", { password: PASSWORD });
    await place.declare("database");
    await place.declare("second", { path: "database" });
  });
  after(() => endAll(world, practice));

  beforeEach(async () => {
    await writeKubeconfig();
    await world.writeFleet(() => ({ connect: { kubeconfig: { path: kubeconfig } } }));
  });

  const writeKubeconfig = async (change: (config: KubeConfig) => void = () => undefined, seconds = 86_400 * 30) => {
    const account = { ...ACCOUNT, expirationSeconds: seconds };
    const config = parse(await cluster.kubeconfigFor({ serviceAccount: account })) as KubeConfig;
    change(config);
    await writeFile(kubeconfig, stringify(config), { mode: 0o600 });
  };
  const fleetWith = (more: object) =>
    world.writeFleet(() => ({ connect: { kubeconfig: { path: kubeconfig } }, ...more }));
  const patch = async (path: string, body: object) => {
    const { status, text } = await cluster.request("PATCH", path, body, MERGE);
    assert.equal(status, 200, text);
  };
  /** Examines until it is so: API servers follow a change of rights, quotas or definitions a moment later. */
  const until = async <T>(what: string, look: (examination: Examination) => T | undefined | false): Promise<T> => {
    let seen = "";
    const found = async () => {
      const examination = await practice.examine();
      seen = JSON.stringify(examination.findings, undefined, 2);
      return look(examination);
    };
    return cluster.waitFor(what, found, FOLLOWED_MS).catch((error: Error) => assert.fail(`${error.message}\n${seen}`));
  };
  const remedyOf = (code: string) =>
    until(`doctor finds ${code}`, ({ findings }) => findings.find((one) => one.code === code));
  const isHealthy = () => until("doctor finds no error", ({ errors }) => errors.length === 0);
  /** Waits until controllers have made what each namespace gets: nothing else is under way in a new cluster. */
  const namespacesSettled = () =>
    cluster.waitFor("the accounts and configmaps of all namespaces", async () => {
      const count = (args: string) => practice.shell(`kubectl get ${args} -o name | wc -l`).then(Number);
      const named = (kind: string, name: string) => count(`${kind} -A --field-selector=metadata.name=${name}`);
      const namespaces = await count("namespaces");
      return (
        (await named("serviceaccounts", "default")) === namespaces &&
        (await named("configmaps", "kube-root-ca.crt")) === namespaces
      );
    });

  it("a healthy cluster before its first run has no errors, and doctor leaves nothing behind", async () => {
    await namespacesSettled();
    const was = await practice.shell("kubectl get secrets,configmaps,events,serviceaccounts -A -o name | sort");
    const { errors, output, findings } = await practice.examine();
    assert.deepEqual(errors, []);
    assert.ok(findings.some(({ code, what }) => code === "VERSIONS" && what.includes("v1.34")));
    assert.ok(!output.includes(PASSWORD));
    assert.equal(await practice.shell("kubectl get secrets,configmaps,events,serviceaccounts -A -o name | sort"), was);
    const tokens = await world.vault.request<{ data: { keys: string[] } }>("LIST", "auth/token/accessors");
    assert.equal(tokens.body.data.keys.length, 1, "only the root token");
  });

  it("people see what is wrong, why, and what mends it; --mend prints only that", async () => {
    await cluster.delete({ apiVersion: "v1", kind: "ServiceAccount", namespace: "shop", name: "app" });
    const { stdout } = await ran([]);
    assert.match(stdout, /✖ error SERVICE_ACCOUNT_MISSING {2}one: ServiceAccount shop\/app/);
    assert.match(stdout, /1 cluster: 1 errors/);
    const manifest = (await ran(["--mend", "manifest"])).stdout;
    assert.deepEqual(parse(manifest), {
      apiVersion: "v1",
      kind: "ServiceAccount",
      metadata: { name: "app", namespace: "shop" },
    });
    await practice.mend({ kind: "manifest", text: manifest });
    await isHealthy();
  });

  const ran = async (args: readonly string[]) => {
    const { keyferry } = await import("./support/engine.ts");
    return keyferry(["doctor", "one", "--fleet", world.fleetPath, "--data-dir", dataDirOf(world), ...args]);
  };

  it("a cluster that is not in the fleet is bad input", async () => {
    const { keyferry } = await import("./support/engine.ts");
    const { code, stderr } = await keyferry(["doctor", "onw", "--fleet", world.fleetPath]);
    assert.equal(code, 2);
    assert.match(stderr, /did you mean one/);
  });

  it("a cluster that never answers costs its time-out, and the others are examined", async () => {
    await using silent = await silentPort();
    const path = join(world.folder, "silent.kubeconfig");
    const config = parse(await readFile(kubeconfig, "utf8")) as KubeConfig;
    config.clusters[0].cluster.server = silent.address.replace("http:", "https:");
    await writeFile(path, stringify(config), { mode: 0o600 });
    const fleet = JSON.parse(await readFile(world.fleetPath, "utf8")) as { clusters: object[] };
    fleet.clusters.unshift({ name: "silent", connect: { kubeconfig: { path } } });
    await writeFile(world.fleetPath, JSON.stringify(fleet));
    const { errors, findings } = await practice.examine();
    assert.deepEqual(
      errors.map(({ cluster: name, code }) => [name, code]),
      [["silent", "CLUSTER_UNREACHABLE"]],
    );
    assert.ok(findings.some(({ cluster: name, code }) => name === "one" && code === "VERSIONS"));
  });

  describe("connection", () => {
    it("a context that does not exist", async () => {
      await fleetWith({ connect: { kubeconfig: { path: kubeconfig, context: "nowhere" } } });
      assert.match((await remedyOf("ACCESS_UNUSABLE")).what, /no context "nowhere"/);
    });

    it("a name that has no address", async () => {
      await writeKubeconfig(({ clusters: [entry] }) => {
        entry.cluster.server = "https://no-such-cluster.invalid:6443";
      });
      assert.match((await remedyOf("CLUSTER_NAME_UNKNOWN")).what, /no-such-cluster\.invalid/);
    });

    it("a port that nobody listens on", async () => {
      await writeKubeconfig(({ clusters: [entry] }) => {
        entry.cluster.server = "https://127.0.0.1:1";
      });
      assert.match((await remedyOf("CLUSTER_UNREACHABLE")).what, /ECONNREFUSED/);
    });

    it("a certificate of another authority", async () => {
      const { pem } = await testCa("somebody else");
      await writeKubeconfig(({ clusters: [entry] }) => {
        entry.cluster["certificate-authority-data"] = Buffer.from(pem).toString("base64");
      });
      assert.match((await remedyOf("CLUSTER_TLS_REFUSED")).remedy?.text ?? "", /certificate-authority-data/);
    });

    it("a certificate for another name", async () => {
      await writeKubeconfig(({ clusters: [entry] }) => {
        entry.cluster["tls-server-name"] = "api.example.com";
      });
      assert.match((await remedyOf("CLUSTER_TLS_REFUSED")).remedy?.text ?? "", /tls-server-name.*localhost/);
    });

    it("a token that ends soon", async () => {
      await writeKubeconfig(undefined, 3_600);
      await foundAndMended(practice, "CREDENTIAL_ENDS_SOON", /connect of cluster one/);
    });

    it("a token that the API server refuses", async () => {
      await writeKubeconfig(({ users: [entry] }) => {
        const [head, claims] = String(entry.user.token).split(".");
        entry.user.token = `${head}.${claims}.c2lnbmF0dXJl`;
      });
      await foundAndMended(practice, "CLUSTER_LOGIN_REFUSED", /connect of cluster one/);
    });
  });

  describe("cluster", () => {
    it("a definition that is missing", async () => {
      await practice.shell("kubectl delete crd vaultpkisecrets.secrets.hashicorp.com");
      await foundAndMended(practice, "CRD_MISSING", /vaultpkisecrets/);
    });

    it("resources of a kind of Vault Secrets Operator that keyferry does not read", async () => {
      const resource = "hcpvaultsecretsapps";
      const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/default/${resource}`;
      const names = { plural: resource, singular: "hcpvaultsecretsapp", kind: "HCPVaultSecretsApp" };
      const schema = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };
      const metadata = { name: `${resource}.secrets.hashicorp.com` };
      await cluster.apply({
        apiVersion: "apiextensions.k8s.io/v1",
        kind: "CustomResourceDefinition",
        metadata,
        spec: {
          ...{ group: "secrets.hashicorp.com", scope: "Namespaced", names },
          versions: [{ name: "v1beta1", served: true, storage: true, schema }],
        },
      });
      const isNamed = async () => (await cluster.request("GET", GROUP)).text.includes(`"${resource}"`);
      await cluster.waitFor(
        "the kind to be served, and named among the others",
        async () => (await cluster.request("GET", path)).status === 200 && isNamed(),
      );
      assert.match((await remedyOf("KIND_NOT_CHECKED")).what, /serves HCPVaultSecretsApp.*may not list.*403/);
      const app = {
        apiVersion: "secrets.hashicorp.com/v1beta1",
        kind: "HCPVaultSecretsApp",
        metadata: { name: "app" },
      };
      await cluster.request("POST", path, { ...app, spec: {} });
      await practice.shell(
        [
          "set -e",
          `kubectl create clusterrole not-read --verb=list --resource=${metadata.name}`,
          "kubectl create clusterrolebinding not-read --clusterrole=not-read --serviceaccount=keyferry:keyferry",
        ].join("\n"),
      );
      assert.match((await remedyOf("KIND_NOT_READ")).what, /default\/app/);
      await cluster.request("DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`);
    });

    it("a definition without a field", async () => {
      const path =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/secrettransformations.secrets.hashicorp.com";
      const properties = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
      const { body } = await cluster.request<Fields>("GET", path);
      const [version] = (body.spec as { versions: Fields[] }).versions;
      const fields = Object.keys(FIELDS.reduce((schema, name) => schema[name] as Fields, version as Fields));
      const remove = [{ op: "remove", path: `${properties}/${fields[0]}` }];
      await cluster.request("PATCH", path, remove, { contentType: "application/json-patch+json" });
      await cluster.waitFor("the API server to forget the field", async () =>
        (await practice.examine()).findings.some(({ code }) => code === "CRD_FIELDS_MISSING"),
      );
      const found = await remedyOf("CRD_FIELDS_MISSING");
      assert.match(found.what, new RegExp(`spec\\.${fields[0]}`));
      await practice.mend(found.remedy);
      await cluster.waitFor("the field to be back", async () =>
        (await practice.examine()).findings.every(({ code }) => code !== "CRD_FIELDS_MISSING"),
      );
    });

    it("a right that is missing in a namespace, and one in the whole cluster", async () => {
      const roles = parseRoles(await readFile(RBAC, "utf8"));
      const lacking = roles.rules.filter(
        ({ resources }) =>
          !resources.includes("secrets") &&
          !resources.includes("vaultpkisecrets/status") &&
          !resources.includes("events"),
      );
      const listing = { apiGroups: [""], resources: ["secrets"], verbs: ["list", "watch"] };
      const without = (resource: string) => (rule: Rule) => ({
        ...rule,
        resources: rule.resources.filter((name) => name !== resource),
      });
      const rules = [...lacking, listing].map(without("vaultauthglobals"));
      await cluster.apply({ ...roles, rules });
      const places = ["namespace shop", "cluster one"];
      const { errors } = await until("doctor finds both", (found) => {
        const isBoth = places.every((place) => found.errors.some(({ where }) => where === place));
        return isBoth && found;
      });
      assert.deepEqual(
        new Set(errors.map(({ code }) => code)),
        new Set(["RIGHT_MISSING"]),
        JSON.stringify(errors, undefined, 2),
      );
      assert.match(errors.find(({ where }) => where === "namespace shop")?.what ?? "", /create secrets/);
      assert.match(errors.find(({ where }) => where === "cluster one")?.what ?? "", /list vaultauthglobals/);
      for (const { remedy } of errors) await practice.mend(remedy);
      await isHealthy();
      await practice.shell(`kubectl apply -f ${RBAC}`);
    });

    it("a quota that is used up", async () => {
      const metadata = { name: "secrets", namespace: "shop" };
      await cluster.apply({ apiVersion: "v1", kind: "ResourceQuota", metadata, spec: { hard: { secrets: "0" } } });
      // No controller counts here, so this does.
      const status = { hard: { secrets: "0" }, used: { secrets: "0" } };
      await patch("/api/v1/namespaces/shop/resourcequotas/secrets/status", { status });
      const found = await remedyOf("QUOTA_EXCEEDED");
      assert.equal(found.where, "ResourceQuota shop/secrets");
      await practice.mend(found.remedy);
      await patch("/api/v1/namespaces/shop/resourcequotas/secrets/status", {
        status: { ...status, hard: { secrets: "2" } },
      });
      await isHealthy();
      await cluster.delete({ apiVersion: "v1", kind: "ResourceQuota", ...metadata });
    });

    it("a webhook that fails closed and does not answer", async () => {
      await cluster.apply({
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingWebhookConfiguration",
        metadata: { name: "gate" },
        webhooks: [
          {
            name: "gate.example.com",
            admissionReviewVersions: ["v1"],
            sideEffects: "None",
            failurePolicy: "Fail",
            timeoutSeconds: 1,
            clientConfig: { url: "https://127.0.0.1:1/" },
            rules: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["secrets"], operations: ["CREATE", "UPDATE"] }],
          },
        ],
      });
      await cluster.waitFor("the webhook to be asked", async () =>
        (await practice.examine()).errors.some(({ code }) => code === "ADMISSION_BROKEN"),
      );
      const found = await remedyOf("ADMISSION_BROKEN");
      await remedyOf("WEBHOOK_FAILS_CLOSED");
      await practice.mend(found.remedy);
      await cluster.waitFor("the webhook to be passed by", async () => (await practice.examine()).errors.length === 0);
      await practice.shell("kubectl delete validatingwebhookconfiguration gate");
    });
  });

  describe("injectors", () => {
    const webhook = (name: string, webhookName: string) => ({
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: "MutatingWebhookConfiguration",
      metadata: { name },
      webhooks: [
        {
          name: webhookName,
          admissionReviewVersions: ["v1"],
          sideEffects: "None",
          failurePolicy: "Ignore",
          clientConfig: { url: "https://127.0.0.1:1/" },
          rules: [{ apiGroups: [""], apiVersions: ["v1"], resources: ["pods"], operations: ["CREATE"] }],
        },
      ],
    });

    it("vault-k8s beside keyferry's, and not vault-k8s alone", async () => {
      const beside = async () => (await practice.examine()).findings.filter(({ code }) => code === "INJECTOR_BESIDE");
      await cluster.apply(webhook("vault-agent-injector-cfg", "vault.hashicorp.com"));
      assert.deepEqual(await beside(), []);
      await cluster.apply(webhook(CONFIGURATION, "vault-agent-injector.keyferry.dev"));
      const [found, ...others] = await beside();
      assert.deepEqual(others, []);
      assert.equal(found?.where, "MutatingWebhookConfiguration vault-agent-injector-cfg");
      assert.match(found?.what ?? "", /comes before keyferry's/);
      await practice.shell(`kubectl delete mutatingwebhookconfiguration ${CONFIGURATION}`);
      assert.deepEqual(await beside(), []);
      // Before it is registered, fleet.yaml says that keyferry is to inject.
      await fleetWith({ injector: { keys: [`sha256:${"0".repeat(64)}`] } });
      assert.equal((await beside()).length, 1);
      await practice.shell("kubectl delete mutatingwebhookconfiguration vault-agent-injector-cfg");
      assert.deepEqual(await beside(), []);
    });
  });

  describe("operator namespace", () => {
    it("another installation", async () => {
      const metadata = { name: "keyferry-installation", namespace: OPERATOR_NAMESPACE };
      await runOnce(world);
      await isHealthy();
      await patch(`/api/v1/namespaces/${OPERATOR_NAMESPACE}/configmaps/${metadata.name}`, {
        data: { id: "another-one" },
      });
      await foundAndMended(practice, "OTHER_INSTALLATION", /keyferry-installation/);
    });

    it("a key of MACs that is not one", async () => {
      await practice.shell(`kubectl delete secret vso-cc-storage-hmac-key -n ${OPERATOR_NAMESPACE} --ignore-not-found`);
      await practice.shell(
        `kubectl create secret generic vso-cc-storage-hmac-key -n ${OPERATOR_NAMESPACE} --from-literal=key=short`,
      );
      await foundAndMended(practice, "HMAC_KEY_UNUSABLE", /vso-cc-storage-hmac-key/);
    });

    it("a key of MACs that nobody may make", async () => {
      await fleetWith({ makeHmacKey: false });
      await foundAndMended(practice, "HMAC_KEY_MISSING", /vso-cc-storage-hmac-key/);
    });

    it("Vault Secrets Operator at work", async () => {
      await cluster.apply([
        {
          apiVersion: "apps/v1",
          kind: "Deployment",
          metadata: {
            name: "vso",
            namespace: OPERATOR_NAMESPACE,
            labels: { "app.kubernetes.io/name": "vault-secrets-operator" },
          },
          spec: {
            selector: { matchLabels: { app: "vso" } },
            template: {
              metadata: { labels: { app: "vso" } },
              spec: { containers: [{ name: "manager", image: "vso" }] },
            },
          },
        },
        {
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { name: "b0d477c0.hashicorp.com", namespace: OPERATOR_NAMESPACE },
          spec: {
            holderIdentity: "vso-1",
            // Nobody renews it: it holds until this test lets it go.
            leaseDurationSeconds: 86_400,
            renewTime: new Date().toISOString().replace("Z", "000Z"),
          },
        },
      ]);
      const found = await remedyOf("VSO_AT_WORK");
      await practice.mend(found.remedy);
      assert.match(
        await practice.shell(`kubectl get deployment vso -n ${OPERATOR_NAMESPACE} -o jsonpath={.spec.replicas}`),
        /^0$/,
      );
      // What the operator does when it ends.
      await patch(`/apis/coordination.k8s.io/v1/namespaces/${OPERATOR_NAMESPACE}/leases/b0d477c0.hashicorp.com`, {
        spec: { holderIdentity: "", leaseDurationSeconds: 1 },
      });
      await isHealthy();
    });

    it("a namespace that may not be the operator's", async () => {
      await fleetWith({ operatorNamespaceUid: "01234567-89ab-cdef-0123-456789abcdef" });
      await foundAndMended(practice, "OPERATOR_NAMESPACE_DOUBTFUL", /vault-secrets-operator-system/);
    });
  });

  describe("references and logins", () => {
    it("a cluster that has nothing yet is led to a sync, step by step", async () => {
      await fleetWith({ operatorNamespace: "vso-new", operatorNamespaceUid: undefined });
      const way = await foundAndMended(practice, "NAMESPACE_MISSING", /vso-new/);
      for (const code of ["RIGHT_MISSING", "REFERENCE_MISSING", "SERVICE_ACCOUNT_MISSING", "VAULT_LOGIN_REFUSED"]) {
        if (code !== "RIGHT_MISSING" && code !== "SERVICE_ACCOUNT_MISSING")
          assert.ok(way.includes(code), way.join(", "));
      }
    });

    it("a VaultAuth that does not exist", async () => {
      await place.declare("third", { path: "database", vaultAuthRef: "team" });
      await foundAndMended(practice, "REFERENCE_MISSING", /VaultAuth shop\/team/);
      await place.undeclare("third");
    });

    it("a VaultAuth that does not allow the namespace", async () => {
      const path = `/apis/secrets.hashicorp.com/v1beta1/namespaces/${OPERATOR_NAMESPACE}/vaultauths/other`;
      const { body } = await cluster.request<{ spec: object }>("GET", path.replace("/other", "/default"));
      await cluster.apply({
        apiVersion: "secrets.hashicorp.com/v1beta1",
        kind: "VaultAuth",
        metadata: { name: "other", namespace: OPERATOR_NAMESPACE },
        spec: { ...body.spec, allowedNamespaces: ["else"] },
      });
      await place.declare("third", { path: "database", vaultAuthRef: `${OPERATOR_NAMESPACE}/other` });
      await foundAndMended(practice, "REFERENCE_NOT_ALLOWED", /VaultAuth .*\/other/);
      await place.undeclare("third");
    });

    it("audiences that the fleet requires", async () => {
      await world.vault.write(`auth/${authMount(cluster)}/role/strict`, { ...ANY, token_policies: [ROLE] });
      await declareAuth("strict", { role: "strict", serviceAccount: "app" });
      await place.declare("third", { path: "database", vaultAuthRef: "strict" });
      await declareAuthDefaultAudience();
      await fleetWith({ vault: { requireAudiences: true } });
      await foundAndMended(practice, "REFERENCE_INVALID", /VaultAuth shop\/strict/);
      await place.undeclare("third");
    });
  });

  const ANY = { bound_service_account_names: ["*"], bound_service_account_namespaces: ["*"], token_ttl: "1h" };
  const declareAuth = (name: string, kubernetes: object) =>
    cluster.apply({
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind: "VaultAuth",
      metadata: { name, namespace: "shop" },
      spec: {
        method: "kubernetes",
        mount: authMount(cluster),
        kubernetes,
        vaultConnectionRef: `${OPERATOR_NAMESPACE}/default`,
      },
    });
  const declareAuthDefaultAudience = async () => {
    await world.vault.write(`auth/${authMount(cluster)}/role/${ROLE}`, { audience: "vault" });
    await patch(`/apis/secrets.hashicorp.com/v1beta1/namespaces/${OPERATOR_NAMESPACE}/vaultauths/default`, {
      spec: { kubernetes: { audiences: ["vault"] } },
    });
  };
});

interface KubeConfig {
  readonly clusters: [{ readonly cluster: Fields }];
  readonly users: [{ readonly user: Fields }];
}

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Role {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly rules: readonly Rule[];
}

/** The role keyferry-watch. */
function parseRoles(text: string): Role {
  const found = text.split(/^---$/m).map((part) => parse(part) as Role);
  const role = found.find(({ metadata }) => metadata.name === "keyferry-watch");
  assert.ok(role);
  return role;
}
