import { aWorkload, type Workload } from "../../workloads.ts";
import { authMount, type World } from "./world.ts";

const CAPABILITIES = '["create", "read", "update", "patch", "delete"]';
const WRITER = ["kv/data/apps/*", "kv/delete/apps/*", "kv/metadata/apps/*", "kv1/apps/*"]
  .map((path) => `path "${path}" { capabilities = ${CAPABILITIES} }`)
  .join("\n");

/** What a platform team writes into fleet.yaml and Vault, once; `more` is put into `push` of each cluster. */
export async function allowPush(world: World, more: object = {}): Promise<void> {
  await world.vault.writePolicy("push", WRITER);
  for (const cluster of world.clusters) {
    await world.vault.write(`auth/${authMount(cluster)}/role/push`, {
      bound_service_account_names: ["app"],
      bound_service_account_namespaces: ["*"],
      token_policies: ["push"],
      audience: "vault",
      token_ttl: "1h",
    });
  }
  await world.writeFleet((cluster) => ({
    vault: { name: "main" },
    push: {
      paths: ["kv/apps/{namespace}/**", "kv1/apps/{namespace}/**"],
      identity: { mount: authMount(cluster), role: "push", serviceAccount: { name: "app" }, audiences: ["vault"] },
      ...more,
    },
  }));
}

type Texts = Readonly<Record<string, string>>;

/** The annotations by their names without `vault-sync.io/`. */
export const named = (short: Texts): Texts =>
  Object.fromEntries(Object.entries(short).map(([name, text]) => [`vault-sync.io/${name}`, text]));

export function aSecret(namespace: string, name: string, texts: Texts, annotations: Texts = {}) {
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]),
  );
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace, annotations }, data };
}

/** A Deployment without a pod whose container takes these Secrets. */
export function aDeployment(namespace: string, name: string, annotations: Texts, secrets: readonly string[]): Workload {
  const workload = aWorkload(namespace, { kind: "Deployment", name });
  const envFrom = secrets.map((secret) => ({ secretRef: { name: secret } }));
  const template = {
    metadata: { labels: { app: name } },
    spec: { containers: [{ name: "app", image: "app:1", envFrom }] },
  };
  return {
    ...workload,
    metadata: { ...workload.metadata, ...{ annotations } },
    spec: { ...workload.spec, template },
  };
}
