import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import type { Cluster, Vault } from "../../harness/index.ts";
import { HMAC_KEY_NAME, type Vso } from "./vso.ts";

const API = "secrets.hashicorp.com/v1beta1";
const MANAGER = "manager";
/** Method, and 22 hex digits of a hash of VaultAuth, VaultConnection and service account. */
const CACHE_KEY = "kubernetes-0123456789abcdef012345";

interface Answer {
  readonly lease_id: string;
  readonly lease_duration: number;
  readonly renewable: boolean;
  readonly request_id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The logins and credentials of Vault Secrets Operator before it was scaled to zero. */
export interface VsoIssues {
  leaveDynamic(resource: Declared): Promise<Answer>;
  leaveCertificate(resource: Declared): Promise<Answer>;
  /** The token that it stores with `clientCache.persistenceModel: direct-unencrypted`. */
  storeToken(): Promise<void>;
}

interface Declared {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Where VSO worked, and its login there. */
export interface VsoPlace {
  readonly vault: Pick<Vault, "request">;
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly operatorNamespace: string;
  readonly mount: string;
  readonly role: string;
}

/** Written down by hand: VSO is not run here. */
export async function vsoIssues(of: VsoPlace, vso: Vso): Promise<VsoIssues> {
  const { vault, cluster, namespace, operatorNamespace } = of;
  const jwt = await cluster.tokenFor({ namespace, name: "app" });
  const login = await vault.request<{ auth: { client_token: string; accessor: string } }>(
    ...(["POST", `auth/${of.mount}/login`, { role: of.role, jwt }, { token: null }] as const),
  );
  assert.equal(login.status, 200, JSON.stringify(login.body));
  const token = login.body.auth.client_token;
  const ask = async (method: string, path: string, body?: object): Promise<Answer> => {
    const answer = await vault.request<Answer>(method, path, body, { token });
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer.body;
  };
  const now = (): number => Math.floor(Date.now() / 1_000);

  async function leave(declared: Declared, type: string, data: Answer["data"], own: object): Promise<void> {
    const { kind, metadata } = declared;
    const { name } = metadata;
    const made = await cluster.get({ apiVersion: API, kind, namespace, name });
    assert.ok(made);
    const { uid = "", generation } = made.metadata;
    const labels = {
      "app.kubernetes.io/managed-by": "hashicorp-vso",
      "app.kubernetes.io/name": "vault-secrets-operator",
      "app.kubernetes.io/component": "secret-sync",
      "secrets.hashicorp.com/vso-ownerRefUID": uid,
    };
    const texts = { ...data, _raw: JSON.stringify(data) };
    const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
    const encoded = Object.entries(texts).map(([key, value]) => [key, Buffer.from(text(value)).toString("base64")]);
    const ownerReferences = [{ apiVersion: API, kind, name, uid }];
    const secret = { apiVersion: "v1", kind: "Secret", type, metadata: { name, namespace, labels, ownerReferences } };
    const path = `/api/v1/namespaces/${namespace}/secrets?fieldManager=${MANAGER}`;
    const created = await cluster.request("POST", path, { ...secret, data: Object.fromEntries(encoded) });
    assert.equal(created.status, 201, created.text);
    const time = { lastTransitionTime: new Date().toISOString().replace(/\.\d+Z$/, "Z") };
    const condition = { status: "True", observedGeneration: generation, ...time };
    const status = {
      ...{ lastGeneration: generation, vaultClientMeta: { cacheKey: CACHE_KEY, id: "of-vso" }, ...own },
      conditions: [{ type: "SecretSynced", reason: "Synced", message: "Secret synced", ...condition }],
    };
    const resource = `/apis/${API}/namespaces/${namespace}/${kind.toLowerCase()}s/${name}`;
    const body = { ...made, status };
    const written = await cluster.request("PUT", `${resource}/status?fieldManager=${MANAGER}`, body);
    assert.equal(written.status, 200, written.text);
  }

  return {
    async leaveDynamic(resource) {
      await cluster.apply({ apiVersion: API, ...resource });
      const answer = await ask("GET", `${String(resource.spec.mount)}/${String(resource.spec.path)}`);
      const { lease_id: id, lease_duration: duration, renewable, request_id: requestID } = answer;
      const own = { lastRenewalTime: now(), secretLease: { id, duration, renewable, requestID } };
      await leave(resource, "Opaque", answer.data, own);
      return answer;
    },
    async leaveCertificate(resource) {
      await cluster.apply({ apiVersion: API, ...resource });
      const { mount, role, commonName } = resource.spec;
      const answer = await ask("POST", `${String(mount)}/issue/${String(role)}`, { common_name: commonName });
      const { certificate, private_key: key, issuing_ca: ca, serial_number: serial, expiration } = answer.data;
      const own = { serialNumber: serial, expiration, lastRotation: now(), valid: true, error: "" };
      const files = { ...answer.data, "tls.crt": certificate, "tls.key": key, "ca.crt": ca };
      await leave(resource, "kubernetes.io/tls", files, own);
      return answer;
    },
    async storeToken() {
      const place = { namespace: operatorNamespace, name: "default" };
      const auth = (await cluster.get({ apiVersion: API, kind: "VaultAuth", ...place }))?.metadata;
      const name = `vso-cc-${CACHE_KEY}`;
      const secret = JSON.stringify(login.body);
      const mac = createHmac("sha256", vso.key)
        .update(name + CACHE_KEY + secret)
        .digest("base64");
      const labels = {
        "app.kubernetes.io/name": "vault-secrets-operator",
        "app.kubernetes.io/managed-by": "hashicorp-vso",
        "app.kubernetes.io/component": "client-cache-storage",
        cacheKey: CACHE_KEY,
        "auth/namespace": operatorNamespace,
        "auth/UID": auth?.uid ?? "",
        "auth/generation": String(auth?.generation ?? 0),
        "provider/namespace": namespace,
      };
      const metadata = { name, namespace: operatorNamespace, labels };
      const data = { secret: Buffer.from(secret).toString("base64"), messageMAC: mac };
      assert.notEqual(HMAC_KEY_NAME, name);
      await vso.putHmacKey();
      await cluster.apply({ apiVersion: "v1", kind: "Secret", immutable: true, metadata, data });
    },
  };
}
