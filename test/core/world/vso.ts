import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { API, aStaticSecret, NAMESPACE } from "./builders.ts";
import { aDynamicSecret, aPkiSecret, DYNAMIC, PKI } from "./issuing.ts";
import type { World } from "./world.ts";

/** The operator's key, 16 bytes. */
const KEY = Buffer.alloc(16, 7);
const CACHE_KEY = "kubernetes-0123456789abcdef012345";
const MANAGER = "manager";

interface Marks {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface OldVso {
  readonly token: string;
  /** A VaultDynamicSecret, its Secret and its status. */
  leaveDynamic(name: string, spec?: Parameters<typeof aDynamicSecret>[1]): Promise<{ readonly lease: string }>;
  /** A VaultStaticSecret of the kv-v1 path `<name>`, with this data there, and with its destination's labels and annotations. */
  leaveStatic(name: string, data: Readonly<Record<string, string>>, destination?: Marks): Promise<void>;
  leaveCertificate(name: string, spec?: Parameters<typeof aPkiSecret>[1]): Promise<{ readonly serial: string }>;
  /** Its stored token, as `persistence: direct-unencrypted` leaves it. */
  storeToken(change?: { readonly labels?: object; readonly mac?: string }): Promise<void>;
}

/** Vault Secrets Operator as it was at work before keyferry: with one login. Written down by hand. */
export async function anOldVso(world: World): Promise<OldVso> {
  const cluster = world.cluster();
  const jwt = await cluster.tokenFor({ namespace: NAMESPACE, name: "app", audiences: [] });
  const login = (await world.vault.request("POST", "auth/kubernetes-east/login", { role: "app", jwt })).body;
  const token = String(Object(login.auth).client_token);
  const ask = async (method: string, path: string, body?: unknown) => {
    const answer = await world.vault.request(method, path, body, { token });
    assert.equal(answer.status, 200, `${method} ${path}`);
    return answer.body as unknown as Record<string, unknown> & { readonly data: Record<string, unknown> };
  };
  const seconds = (): number => Math.floor(world.time.now() / 1_000);

  const leave = async (
    kind: string,
    name: string,
    data: Record<string, unknown>,
    type: string,
    own: object,
    marks: Marks = {},
  ) => {
    const { metadata } = world.resource(name, kind) ?? assert.fail(name);
    const labels = {
      "app.kubernetes.io/managed-by": "hashicorp-vso",
      "app.kubernetes.io/name": "vault-secrets-operator",
      "app.kubernetes.io/component": "secret-sync",
      "secrets.hashicorp.com/vso-ownerRefUID": metadata.uid,
      ...marks.labels,
    };
    const texts = [...Object.entries(data), ["_raw", JSON.stringify(data)] as const];
    const encoded = Object.fromEntries(
      texts.map(([key, value]) => [key, Buffer.from(String(value)).toString("base64")]),
    );
    const ownerReferences = [{ apiVersion: API, kind, name, uid: metadata.uid }];
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      type,
      metadata: { ...{ name, namespace: NAMESPACE }, ...marks, labels, ownerReferences },
    };
    const path = `/api/v1/namespaces/${NAMESPACE}/secrets?fieldManager=${MANAGER}`;
    const made = await cluster.request("POST", path, { ...secret, data: encoded });
    assert.equal(made.status, 201, made.text);
    const time = { lastTransitionTime: new Date(world.time.now()).toISOString().replace(/\.\d+Z$/, "Z") };
    const condition = { type: "SecretSynced", status: "True", reason: "Synced", message: "Secret synced", ...time };
    const status = {
      ...{ lastGeneration: metadata.generation, vaultClientMeta: { cacheKey: CACHE_KEY, id: "of-vso" } },
      ...own,
      conditions: [{ ...condition, observedGeneration: metadata.generation }],
    };
    const resource = `/apis/${API}/namespaces/${NAMESPACE}/${kind.toLowerCase()}s/${name}/status?fieldManager=${MANAGER}`;
    const merge = { contentType: "application/merge-patch+json" };
    const written = await cluster.request("PATCH", resource, { status }, merge);
    assert.equal(written.status, 200, written.text);
  };

  return {
    token,
    async leaveDynamic(name, spec = {}) {
      await world.given(aDynamicSecret(name, spec));
      const { data, ...answer } = await ask("GET", "database/creds/app");
      const { lease_id: id, lease_duration: duration, renewable } = answer;
      const secretLease = { id, duration, renewable, requestID: "of-vso" };
      await leave(DYNAMIC, name, data, "Opaque", { lastRenewalTime: seconds(), secretLease });
      return { lease: String(id) };
    },
    async leaveStatic(name, data, destination = {}) {
      await world.vault.putKv("old", name, data);
      await world.given(aStaticSecret(name, { type: "kv-v1", mount: "old", destination: { ...destination } }));
      await leave("VaultStaticSecret", name, data, "Opaque", {}, destination);
    },
    async leaveCertificate(name, spec = {}) {
      await world.given(aPkiSecret(name, spec));
      const { data } = await ask("POST", "pki/issue/web", { common_name: `${name}.example.com` });
      const { certificate, private_key: key, serial_number: serial, expiration } = data;
      const own = { serialNumber: serial, expiration, lastRotation: seconds(), valid: true, error: "" };
      const files = { ...data, "tls.crt": certificate, "tls.key": key };
      await leave(PKI, name, files, "kubernetes.io/tls", own);
      return { serial: String(serial) };
    },
    async storeToken({ labels = {}, mac } = {}) {
      const auth = world.resource("default", "VaultAuth", { namespace: "vso" })?.metadata ?? assert.fail();
      const name = `vso-cc-${CACHE_KEY}`;
      const secret = JSON.stringify({ request_id: "of-vso", auth: { client_token: token, renewable: true } });
      const right = createHmac("sha256", KEY)
        .update(name + CACHE_KEY + secret)
        .digest();
      const data = { secret: Buffer.from(secret).toString("base64"), messageMAC: mac ?? right.toString("base64") };
      const all = {
        "app.kubernetes.io/component": "client-cache-storage",
        cacheKey: CACHE_KEY,
        "auth/UID": auth.uid ?? "",
        "auth/generation": String(auth.generation ?? 0),
        "provider/namespace": NAMESPACE,
        ...labels,
      };
      const place = { namespace: "vso" };
      const key = { metadata: { name: "vso-cc-storage-hmac-key", ...place }, data: { key: KEY.toString("base64") } };
      const stored = { metadata: { name, ...place, labels: all }, immutable: true, data };
      await cluster.apply([key, stored].map((object) => ({ apiVersion: "v1", kind: "Secret", ...object })));
    },
  };
}
