import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { customResourceDefinitions } from "../../lib/declarations/crd.ts";
import { KINDS, SECRET } from "../../lib/resource-kinds.ts";
import { type Cluster, startCluster } from "../harness/index.ts";

type Spec = Readonly<Record<string, unknown>>;

const DESTINATION = { name: "app" };

/** A spec of each kind that must be taken, and what the API server must have made of it. */
const VALID: ReadonlyArray<readonly [kind: string, spec: Spec, stored?: Spec]> = [
  ["VaultConnection", { address: "https://v" }, { address: "https://v", skipTLSVerify: false }],
  [
    "VaultAuth",
    { method: "jwt", jwt: { role: "r" } },
    { method: "jwt", jwt: { role: "r", tokenExpirationSeconds: 600 } },
  ],
  ["VaultAuth", { vaultAuthGlobalRef: { name: "g", mergeStrategy: { headers: "union", params: "none" } } }],
  ["VaultAuth", { params: { a: "b" }, storageEncryption: { mount: "transit", keyName: "k" } }],
  ["VaultAuthGlobal", { gcp: { role: "r", mount: "gcp" }, defaultAuthMethod: "gcp" }],
  [
    "VaultStaticSecret",
    { mount: "kv", path: "a", type: "kv-v1", refreshAfter: "1.5h", syncConfig: {}, destination: DESTINATION },
    {
      mount: "kv",
      path: "a",
      type: "kv-v1",
      refreshAfter: "1.5h",
      hmacSecretData: true,
      syncConfig: { instantUpdates: false },
      destination: { name: "app", create: false, overwrite: false },
    },
  ],
  [
    "VaultDynamicSecret",
    { mount: "db", path: "creds/a", destination: DESTINATION },
    { mount: "db", path: "creds/a", renewalPercent: 67, destination: { name: "app", create: false, overwrite: false } },
  ],
  [
    "VaultPKISecret",
    { mount: "pki", role: "r", ttl: "30d", expiryOffset: "24h", altNames: ["a"], destination: DESTINATION },
  ],
  [
    "SecretTransformation",
    { templates: { a: { text: "{{ .Secrets.a }}" } }, sourceTemplates: [{ name: "x", text: "y" }] },
  ],
];

const STATIC = { mount: "kv", path: "a", type: "kv-v2", destination: DESTINATION };
const DYNAMIC = { mount: "db", path: "creds/a", destination: DESTINATION };
const PKI = { mount: "pki", role: "r", destination: DESTINATION };

/** A spec of each kind that must be refused, with the field that it is refused for. */
const INVALID: ReadonlyArray<readonly [kind: string, spec: Spec, field: string]> = [
  ["VaultConnection", {}, "spec.address"],
  ["VaultConnection", { address: "https://v", timeout: "1h30m" }, "spec.timeout"],
  ["VaultAuth", { method: "ldap" }, "spec.method"],
  ["VaultAuth", { kubernetes: { tokenExpirationSeconds: 599 } }, "spec.kubernetes.tokenExpirationSeconds"],
  ["VaultAuth", { vaultAuthGlobalRef: { name: "A" } }, "spec.vaultAuthGlobalRef.name"],
  [
    "VaultAuth",
    { vaultAuthGlobalRef: { mergeStrategy: { headers: "x" } } },
    "spec.vaultAuthGlobalRef.mergeStrategy.headers",
  ],
  ["VaultAuth", { storageEncryption: { mount: "transit" } }, "spec.storageEncryption.keyName"],
  ["VaultAuthGlobal", { defaultAuthMethod: "ldap" }, "spec.defaultAuthMethod"],
  ["VaultStaticSecret", { ...STATIC, type: "kv-v3" }, "spec.type"],
  ["VaultStaticSecret", { ...STATIC, version: -1 }, "spec.version"],
  ["VaultStaticSecret", { ...STATIC, mount: undefined }, "spec.mount"],
  ["VaultStaticSecret", { ...STATIC, destination: undefined }, "spec.destination"],
  ["VaultStaticSecret", { ...STATIC, destination: {} }, "spec.destination.name"],
  ["VaultStaticSecret", { ...STATIC, refreshAfter: "1d" }, "spec.refreshAfter"],
  [
    "VaultStaticSecret",
    { ...STATIC, rolloutRestartTargets: [{ kind: "Pod", name: "a" }] },
    "spec.rolloutRestartTargets[0].kind",
  ],
  ["VaultStaticSecret", { ...STATIC, destination: { name: "a", labels: { a: 1 } } }, "spec.destination.labels.a"],
  ["VaultDynamicSecret", { ...DYNAMIC, renewalPercent: 91 }, "spec.renewalPercent"],
  ["VaultDynamicSecret", { ...DYNAMIC, requestHTTPMethod: "PATCH" }, "spec.requestHTTPMethod"],
  ["VaultPKISecret", { ...PKI, role: undefined }, "spec.role"],
  ["VaultPKISecret", { ...PKI, ttl: "30 days" }, "spec.ttl"],
  ["SecretTransformation", { templates: { a: {} } }, "spec.templates.a.text"],
];

/** A status that lacks a field which VSO's schema demands (kubernetes-rules 15). */
const LACKING: ReadonlyArray<readonly [kind: string, status: Spec, field: string]> = [
  ["VaultConnection", { conditions: [] }, "status.valid"],
  ["VaultStaticSecret", { secretMAC: "" }, "status.lastGeneration"],
  ["VaultDynamicSecret", { lastGeneration: 1, lastRenewalTime: 1 }, "status.secretLease"],
  [
    "VaultDynamicSecret",
    { lastGeneration: 1, lastRenewalTime: 1, secretLease: { id: "" } },
    "status.secretLease.duration",
  ],
  ["VaultPKISecret", { lastGeneration: 1, lastRotation: 1, valid: true }, "status.error"],
  ["SecretTransformation", { valid: true }, "status.error"],
  [
    "VaultStaticSecret",
    { lastGeneration: 1, conditions: [{ type: "Ready", status: "True", message: "" }] },
    "status.conditions[0].reason",
  ],
];

interface StatusAnswer {
  readonly details?: { readonly causes?: ReadonlyArray<{ readonly field?: string }> };
}

describe("our CRDs on a real API server", () => {
  let cluster: Cluster;
  let count = 0;

  before(async () => {
    cluster = await startCluster({ name: "crds", crds: [...customResourceDefinitions().values()] });
  });
  after(() => cluster[Symbol.asyncDispose]());

  const object = (kind: string, spec: Spec) => {
    count++;
    return {
      apiVersion: "secrets.hashicorp.com/v1beta1",
      kind,
      metadata: { name: `a${count}`, namespace: "default" },
      spec,
    };
  };
  const pathOf = (kind: string) => {
    const resource = KINDS.find((known) => known.kind === kind)?.resource;
    return `/apis/secrets.hashicorp.com/v1beta1/namespaces/default/${resource}`;
  };
  const create = (kind: string, spec: Spec) =>
    cluster.request<StatusAnswer & { spec?: unknown }>("POST", pathOf(kind), object(kind, spec));
  const fieldsOf = (answer: StatusAnswer) => answer.details?.causes?.map(({ field }) => field) ?? [];

  it("are structural and established", async () => {
    const names = KINDS.filter((kind) => kind !== SECRET).map((kind) => `${kind.resource}.${kind.group}`);
    assert.deepEqual([...customResourceDefinitions().keys()].toSorted(), names.toSorted());
    for (const name of names) {
      const crd = await cluster.get({ apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition", name });
      const { conditions } = (crd?.status ?? { conditions: [] }) as {
        conditions: ReadonlyArray<{ type: string; status: string }>;
      };
      const isTrue = (type: string) => conditions.find((condition) => condition.type === type)?.status === "True";
      assert.equal(isTrue("Established"), true, name);
      assert.equal(isTrue("NonStructuralSchema"), false, name);
    }
  });

  it("accept what is valid and fill the defaults in", async () => {
    for (const [kind, spec, stored] of VALID) {
      const { status, body, text } = await create(kind, spec);
      assert.equal(status, 201, `${kind}: ${text}`);
      if (stored) assert.deepEqual(body.spec, stored);
    }
  });

  it("keep every field that a spec may have", async () => {
    const transformation = {
      templates: { a: { name: "n", text: "t" } },
      transformationRefs: [
        {
          namespace: "b",
          name: "t",
          templateRefs: [{ name: "a", keyOverride: "k" }],
          ignoreIncludes: true,
          ignoreExcludes: true,
        },
      ],
      includes: ["a"],
      excludes: ["b"],
      excludeRaw: true,
    };
    const spec = {
      vaultAuthRef: "a/b",
      namespace: "team",
      mount: "kv",
      path: "a",
      type: "kv-v2",
      version: 3,
      refreshAfter: "30s",
      hmacSecretData: false,
      rolloutRestartTargets: [{ kind: "argo.Rollout", name: "a" }],
      destination: {
        name: "app",
        create: true,
        overwrite: true,
        labels: { a: "b" },
        annotations: { a: "b" },
        type: "Opaque",
        transformation,
      },
      syncConfig: { instantUpdates: true },
    };
    assert.deepEqual((await create("VaultStaticSecret", spec)).body.spec, spec);
  });

  it("refuse what is not valid, at the field", async () => {
    for (const [kind, spec, field] of INVALID) {
      const { status, body, text } = await create(kind, spec);
      assert.equal(status, 422, `${kind} ${field}: ${text}`);
      assert.deepEqual(fieldsOf(body), [field]);
    }
  });

  it("kubernetes-rules 15: have a status of its own, which must hold what VSO's must", async () => {
    for (const [kind, value, field] of LACKING) {
      const spec = VALID.find(([name]) => name === kind)?.[1] ?? {};
      const made = (await create(kind, spec)).body as { metadata?: { name: string } };
      const path = `${pathOf(kind)}/${made.metadata?.name}/status`;
      // As a whole: a patch would find there what an object shows that nobody looked at.
      const whole = { ...made, status: value };
      const { status, body, text } = await cluster.request<StatusAnswer>("PUT", path, whole);
      assert.equal(status, 422, `${kind} ${field}: ${text}`);
      assert.equal(fieldsOf(body).includes(field), true, `${field}: ${fieldsOf(body).join(", ")}`);
    }
  });

  it("show a generation of -1 before anybody looked, and none in the status of a controller that knows of none", async () => {
    const merge = { contentType: "application/merge-patch+json" };
    for (const kind of KINDS.filter((kind) => kind !== SECRET).map(({ kind }) => kind)) {
      const spec = VALID.find(([name]) => name === kind)?.[1] ?? {};
      const made = (await create(kind, spec)).body as { metadata?: { name: string } };
      const path = `${pathOf(kind)}/${made.metadata?.name}`;
      const status = async () => (await cluster.request<{ status?: Spec }>("GET", path)).body.status;
      const shown = await status();
      if (kind === "VaultAuthGlobal") {
        assert.equal(shown, undefined, "nobody looks at it by itself");
        continue;
      }
      assert.equal(shown?.observedGeneration, -1, kind);
      const { observedGeneration: _unknown, ...known } = shown;
      const theirs = await cluster.request("PUT", `${path}/status`, { ...made, status: { ...known, conditions: [] } });
      assert.equal(theirs.status, 200, theirs.text);
      assert.deepEqual(await status(), { ...known, conditions: [] }, kind);
      const ours = await cluster.request("PATCH", `${path}/status`, { status: { observedGeneration: 1 } }, merge);
      assert.equal(ours.status, 200, ours.text);
      assert.equal((await status())?.observedGeneration, 1, kind);
    }
  });

  it("take a status only through the subresource, and show it in columns", async () => {
    const { metadata } = (await create("VaultStaticSecret", STATIC)).body as { metadata?: { name: string } };
    const path = `${pathOf("VaultStaticSecret")}/${metadata?.name}`;
    const lastTransitionTime = "2030-01-01T00:00:00Z";
    const conditions = ["SecretSynced", "Healthy", "Ready"].map((type, at) => ({
      type,
      status: at === 1 ? "False" : "True",
      reason: "Synced",
      message: "",
      lastTransitionTime,
      observedGeneration: 1,
    }));
    const status = { lastGeneration: 1, conditions };
    const options = { contentType: "application/merge-patch+json" };
    const ignored = await cluster.request<{ status?: unknown }>("PATCH", path, { status }, options);
    assert.deepEqual(ignored.body.status, { lastGeneration: 0, observedGeneration: -1 });
    const taken = await cluster.request<{ status?: unknown }>("PATCH", `${path}/status`, { status }, options);
    assert.deepEqual(taken.body.status, { ...status, observedGeneration: -1 });
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const table = await cluster.request<{
      columnDefinitions: ReadonlyArray<{ name: string }>;
      rows: ReadonlyArray<{ cells: readonly unknown[] }>;
    }>("GET", path, undefined, { headers: { accept } });
    assert.deepEqual(
      table.body.columnDefinitions.map(({ name }) => name),
      ["Name", "Synced", "Healthy", "Ready", "Age"],
    );
    assert.deepEqual(table.body.rows[0]?.cells.slice(1, 4), ["True", "False", "True"]);
  });
});
