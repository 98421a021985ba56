import type { Cluster } from "../cluster/cluster.ts";
import { waitFor } from "../cluster/kube-client.ts";
import type { VaultPlan } from "./config-file.ts";
import { ensurePlugin } from "./plugins.ts";
import { makeReviewer } from "./reviewer.ts";
import type { VaultClient } from "./vault-client.ts";

/** What a platform team does once to its Vault, in one call each. */
export interface VaultSetup {
  enableKv(mount: string, version: 1 | 2): Promise<void>;
  /** Writes to a KV engine of either version that `enableKv` mounted; the version written (1 for KV 1). */
  putKv(mount: string, path: string, data: Readonly<Record<string, unknown>>): Promise<number>;
  writePolicy(name: string, policy: string): Promise<void>;
  /** The Kubernetes login, with a reviewer's token of that cluster. Roles are the test's: `auth/<mount>/role/<name>`. */
  enableKubernetesAuth(cluster: Cluster, options?: { readonly mount?: string }): Promise<void>;
  /** The JWT login, with the cluster's issuer and public key. */
  enableJwtAuth(cluster: Cluster, options?: { readonly mount?: string }): Promise<void>;
  /** The AWS login (HashiCorp's flavor alone), which asks the token service at this address who signed a request. */
  enableAwsAuth(options: {
    readonly mount?: string;
    readonly stsEndpoint: string;
    readonly stsRegion: string;
    readonly serverId?: string;
  }): Promise<void>;
  /** The AppRole login with one role. */
  enableAppRole(options: {
    readonly mount?: string;
    readonly role: string;
    readonly policies: readonly string[];
  }): Promise<{ readonly roleId: string; readonly secretId: string }>;
}

export function vaultSetup(client: VaultClient, plan: VaultPlan): VaultSetup {
  const kvVersions = new Map<string, number>();
  return {
    async enableKv(mount, version) {
      await client.write(`sys/mounts/${mount}`, { type: "kv", options: { version: String(version) } });
      kvVersions.set(mount, version);
      // A KV 2 mount refuses everything until it has made itself one.
      const config = `${mount}/config`;
      if (version === 2) await waitFor(config, async () => (await client.request("GET", config)).status === 200);
    },
    async putKv(mount, path, data) {
      if (kvVersions.get(mount) === 1) {
        await client.write(`${mount}/${path}`, data);
        return 1;
      }
      const { data: written } = await client.write(`${mount}/data/${path}`, { data });
      return Number(written.version);
    },
    writePolicy: async (name, policy) => void (await client.write(`sys/policies/acl/${name}`, { policy })),
    async enableKubernetesAuth(cluster, { mount = "kubernetes" } = {}) {
      if (plan.flavor === "vault") await ensurePlugin(client, plan, "auth/kubernetes");
      const reviewer = await makeReviewer(cluster);
      await client.write(`sys/auth/${mount}`, { type: "kubernetes" });
      await client.write(`auth/${mount}/config`, {
        kubernetes_host: cluster.url,
        kubernetes_ca_cert: cluster.caPem,
        token_reviewer_jwt: reviewer,
        disable_local_ca_jwt: true,
      });
    },
    async enableJwtAuth(cluster, { mount = "jwt" } = {}) {
      await client.write(`sys/auth/${mount}`, { type: "jwt" });
      await client.write(`auth/${mount}/config`, {
        jwt_validation_pubkeys: [cluster.serviceAccountPublicKeyPem],
        bound_issuer: cluster.issuer,
      });
    },
    async enableAwsAuth({ mount = "aws", stsEndpoint, stsRegion, serverId }) {
      await ensurePlugin(client, plan, "auth/aws");
      await client.write(`sys/auth/${mount}`, { type: "aws" });
      await client.write(`auth/${mount}/config/client`, {
        sts_endpoint: stsEndpoint,
        sts_region: stsRegion,
        iam_server_id_header_value: serverId ?? "",
      });
    },
    async enableAppRole({ mount = "approle", role, policies }) {
      const mounted = await client.request("GET", `sys/auth/${mount}/tune`);
      if (mounted.status !== 200) await client.write(`sys/auth/${mount}`, { type: "approle" });
      await client.write(`auth/${mount}/role/${role}`, { token_policies: policies });
      const roleId = await client.read(`auth/${mount}/role/${role}/role-id`);
      const secretId = await client.write(`auth/${mount}/role/${role}/secret-id`);
      return { roleId: String(roleId?.data.role_id), secretId: String(secretId.data.secret_id) };
    },
  };
}
