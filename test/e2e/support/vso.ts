import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "../../harness/index.ts";
import { OPERATOR_NAMESPACE } from "./world.ts";

const API = "secrets.hashicorp.com/v1beta1";
const LEASE = "b0d477c0.hashicorp.com";

/** The name that VSO writes under: that of its binary. */
const MANAGER = "manager";

export const HMAC_KEY_NAME = "vso-cc-storage-hmac-key";
export const VSO_FINALIZER = "vaultstaticsecret.secrets.hashicorp.com/finalizer";

/** What Vault Secrets Operator leaves in a cluster, and how it shows while it runs. Written down by hand, for it is not run here. */
export interface Vso {
  /** The key of its MACs. */
  readonly key: Buffer;
  putHmacKey(): Promise<void>;
  /** Its MAC of a Secret's data: HMAC-SHA256 of Go's JSON of its base64 values, in base64. */
  macOf(data: Readonly<Record<string, string>>): string;
  /** A Secret that it made for a declaration, by an Update. */
  leaveSecret(
    namespace: string,
    name: string,
    data: Readonly<Record<string, string>>,
    labels?: Readonly<Record<string, string>>,
  ): Promise<void>;
  /** Its finalizer, and the status that it writes on each refresh, with new times. */
  writeStatus(namespace: string, name: string, data?: Readonly<Record<string, string>>): Promise<void>;
  /** Holds the lease of its leader election and writes the status of these, until it is stopped, and lets the lease go. */
  run(names: readonly (readonly [namespace: string, name: string])[]): Promise<AsyncDisposable>;
  /** The same without leader election. */
  runAlone(names: readonly (readonly [namespace: string, name: string])[]): AsyncDisposable;
}

export function vsoIn(
  cluster: Cluster,
  key: Buffer = randomBytes(16),
  operatorNamespace: string = OPERATOR_NAMESPACE,
): Vso {
  const pathOf = (namespace: string, name: string): string =>
    `/apis/${API}/namespaces/${namespace}/vaultstaticsecrets/${name}`;
  const resource = async (namespace: string, name: string) => {
    const found = await cluster.get({ apiVersion: API, kind: "VaultStaticSecret", namespace, name });
    assert.ok(found, `VaultStaticSecret ${namespace}/${name}`);
    return found;
  };
  const vso: Vso = {
    key,
    async putHmacKey() {
      const labels = {
        "app.kubernetes.io/name": "vault-secrets-operator",
        "app.kubernetes.io/managed-by": "hashicorp-vso",
        "app.kubernetes.io/component": "client-cache-storage-verification",
      };
      const metadata = { name: HMAC_KEY_NAME, namespace: operatorNamespace, labels };
      const data = { key: key.toString("base64") };
      await cluster.apply({ apiVersion: "v1", kind: "Secret", immutable: true, metadata, data });
    },
    macOf(data) {
      const sorted = Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1));
      const texts = sorted.map(([name, value]) => `${JSON.stringify(name)}:"${Buffer.from(value).toString("base64")}"`);
      return createHmac("sha256", key)
        .update(`{${texts.join(",")}}`)
        .digest("base64");
    },
    async leaveSecret(namespace, name, data, declared = {}) {
      const uid = (await resource(namespace, name)).metadata.uid ?? "";
      const labels = {
        ...declared,
        "app.kubernetes.io/managed-by": "hashicorp-vso",
        "app.kubernetes.io/name": "vault-secrets-operator",
        "app.kubernetes.io/component": "secret-sync",
        "secrets.hashicorp.com/vso-ownerRefUID": uid,
      };
      const ownerReferences = [{ apiVersion: API, kind: "VaultStaticSecret", name, uid }];
      const encoded = Object.entries(data).map(([field, value]) => [field, Buffer.from(value).toString("base64")]);
      const metadata = { name, namespace, labels, ownerReferences };
      const body = { apiVersion: "v1", kind: "Secret", type: "Opaque", metadata, data: Object.fromEntries(encoded) };
      const path = `/api/v1/namespaces/${namespace}/secrets?fieldManager=${MANAGER}`;
      assert.equal((await cluster.request("POST", path, body)).status, 201);
    },
    async writeStatus(namespace, name, data) {
      const seen = await resource(namespace, name);
      const before = (seen.status ?? {}) as { secretMAC?: string };
      const secretMAC = data === undefined ? before.secretMAC : vso.macOf(data);
      const time = { lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, "Z") };
      const generation = seen.metadata.generation ?? 0;
      const condition = (type: string, reason: string, message: string) => ({
        ...{ type, reason, message, status: "True", observedGeneration: generation, ...time },
      });
      const status = {
        lastGeneration: generation,
        ...(secretMAC === undefined ? {} : { secretMAC }),
        vaultClientMeta: { cacheKey: "kubernetes-1", id: "of-vso" },
        conditions: [
          condition("SecretSynced", "Synced", "Secret synced, horizon=4.2s"),
          condition("Healthy", "Healthy", "VaultStaticSecretHealthy"),
          condition("Ready", "Ready", "VaultStaticSecretReady"),
        ],
      };
      const path = pathOf(namespace, name);
      const written = await cluster.request("PUT", `${path}/status?fieldManager=${MANAGER}`, { ...seen, status });
      // Someone else was faster: VSO would try again.
      if (written.status === 409) return vso.writeStatus(namespace, name, data);
      assert.equal(written.status, 200, written.text);
      if (seen.metadata.finalizers?.includes(VSO_FINALIZER)) return;
      const metadata = { finalizers: [...(seen.metadata.finalizers ?? []), VSO_FINALIZER] };
      const merge = { contentType: "application/merge-patch+json" };
      assert.equal(
        (await cluster.request("PATCH", `${path}?fieldManager=${MANAGER}`, { metadata }, merge)).status,
        200,
      );
    },
    async run(names) {
      const renew = (holderIdentity: string) =>
        cluster.apply({
          apiVersion: "coordination.k8s.io/v1",
          kind: "Lease",
          metadata: { name: LEASE, namespace: operatorNamespace },
          spec: { holderIdentity, leaseDurationSeconds: 15, renewTime: new Date().toISOString().replace("Z", "000Z") },
        });
      await renew("vso-pod_1");
      const running = repeat(async () => {
        await renew("vso-pod_1");
        for (const [namespace, name] of names) await vso.writeStatus(namespace, name);
      });
      return {
        async [Symbol.asyncDispose]() {
          await running[Symbol.asyncDispose]();
          await renew("");
        },
      };
    },
    runAlone: (names) =>
      repeat(async () => {
        for (const [namespace, name] of names) await vso.writeStatus(namespace, name);
      }),
  };
  return vso;
}

/** Once a second, until it is stopped. */
function repeat(work: () => Promise<void>): AsyncDisposable {
  let isStopped = false;
  const running = (async () => {
    while (!isStopped) {
      await work();
      await sleep(1_000);
    }
  })();
  return {
    async [Symbol.asyncDispose]() {
      isStopped = true;
      await running;
    },
  };
}
