import type { PushSettings } from "../../../lib/ports/fleet-push.ts";
import { type ClusterObject, NAMESPACE, VAULT } from "./builders.ts";
import { base64 } from "./views.ts";
import { aWorld, type World, type WorldOptions } from "./world.ts";

/** Everything below `kv/apps/<namespace>/` may be pushed to, with the login of a service account of the namespace. */
export function aPush(overrides: Partial<PushSettings> = {}): PushSettings {
  return {
    kinds: ["Deployment", "Secret"],
    namespaces: { include: ["*"], exclude: [] },
    paths: ["kv/apps/{namespace}/**", "old/apps/{namespace}/**"],
    identity: {
      ...{ method: "kubernetes", mount: "kubernetes-east", role: "push" },
      ...{ serviceAccount: { name: "app" }, audiences: ["vault"] },
    },
    ...{ secrets: "watch", pollEvery: "5m", conflict: "fail", deletion: "version", prefix: "none" },
    ...{ mountedOnly: false, projectedVolumes: false, imagePullSecrets: false },
    ...overrides,
  };
}

export const ALL = ["create", "read", "update", "patch", "delete"];

function policyOf(capabilities: readonly string[]): string {
  const list = capabilities.map((name) => `"${name}"`).join(", ");
  return ["kv/data/apps/*", "kv/delete/apps/*", "kv/metadata/apps/*", "old/apps/*"]
    .map((path) => `path "${path}" { capabilities = [${list}] }`)
    .join(" ");
}

/** A world whose first cluster may push; `capabilities`: what Vault lets it do. */
export async function aPushingWorld(
  push: Partial<PushSettings> = {},
  options: WorldOptions & { readonly capabilities?: readonly string[] } = {},
): Promise<World> {
  const { capabilities = ALL, clusters = [{}], ...rest } = options;
  const settingsOf = (name = "east") => {
    const { identity } = aPush();
    return {
      vault: { address: VAULT },
      push: aPush({ identity: { ...identity, mount: `kubernetes-${name}` }, ...push }),
    };
  };
  const settings = clusters.map((one) => ({ ...settingsOf(one.name), ...one }));
  const world = await aWorld({ ...rest, isAsleep: true, clusters: settings });
  await world.vault.writePolicy("push", policyOf(capabilities));
  for (const { name = "east" } of clusters) {
    await world.vault.write(`auth/kubernetes-${name}/role/push`, {
      ...{ bound_service_account_names: "*", bound_service_account_namespaces: "*" },
      ...{ token_policies: "push", token_ttl: "1h", audience: "vault" },
    });
  }
  if (options.isAsleep !== true) world.start();
  return world;
}

/** An Opaque Secret; values are text, or bytes. */
export function aSecret(
  name = "db",
  data: Readonly<Record<string, string | Uint8Array>> = { user: "app", password: "one" },
  metadata: Readonly<Record<string, unknown>> = {},
): ClusterObject {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name, namespace: NAMESPACE, ...metadata },
    type: "Opaque",
    data: Object.fromEntries(
      Object.entries(data).map(([key, value]) => [
        key,
        typeof value === "string" ? base64(value) : Buffer.from(value).toString("base64"),
      ]),
    ),
  };
}

/** The annotations by their names without `vault-sync.io/`. */
export function annotations(short: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(short).map(([name, text]) => [name.includes("/") ? name : `vault-sync.io/${name}`, text]),
  );
}

/** A Deployment whose containers take these Secrets by envFrom; `name?` is optional. */
export function aPushed(
  short: Readonly<Record<string, string>>,
  secrets: readonly string[] = ["db"],
  name = "app",
): ClusterObject {
  const envFrom = secrets.map((secret) => ({
    secretRef: { name: secret.replace("?", ""), ...(secret.endsWith("?") ? { optional: true } : {}) },
  }));
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: NAMESPACE, annotations: annotations(short) },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "app", image: "registry.test/app:1", envFrom }] },
      },
    },
  };
}

/** What a path of Vault holds, by fields; undefined: nothing, or a deleted version. */
export async function held(world: World, path: string, mount = "kv"): Promise<Record<string, string> | undefined> {
  const data =
    mount === "kv"
      ? await world.vault.request("GET", `kv/data/${path}`)
      : await world.vault.request("GET", `${mount}/${path}`);
  if (data.status !== 200) return undefined;
  const body = data.body as { data?: { data?: Record<string, string> } };
  return (mount === "kv" ? body.data?.data : body.data) as Record<string, string> | undefined;
}

export function versions(world: World, path: string): number {
  return world.vault.server.kv("kv")?.versionsOf(path) ?? 0;
}

/** How often Vault was written to. */
export function writes(world: World): number {
  return [...world.vault.server.audit].reduce(
    (sum, [name, times]) => sum + (/^(update|patch|delete) (kv|old)\//.test(name) ? times : 0),
    0,
  );
}
