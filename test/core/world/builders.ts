import { aWorkload } from "../../workloads.ts";

/** A thing that a story begins with: an object of a cluster, or what a path of Vault holds. */
export type Given = ClusterObject | VaultSecret;

export interface ClusterObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

export interface VaultSecret {
  readonly vault: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export function isOfVault(thing: Given): thing is VaultSecret {
  return "vault" in thing && typeof thing.vault === "string";
}

export const API = "secrets.hashicorp.com/v1beta1";
export const NAMESPACE = "shop";
export const VAULT = "https://vault.test:8200";

export interface StaticSecretSpec {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly destination?: Readonly<Record<string, unknown>>;
  readonly [field: string]: unknown;
}

/** A VaultStaticSecret of `kv/<name>` into Secret `<name>`, refreshed each minute. */
export function aStaticSecret(name = "db", spec: StaticSecretSpec = {}): ClusterObject {
  const { namespace = NAMESPACE, labels, annotations, destination = {}, ...rest } = spec;
  return {
    apiVersion: API,
    kind: "VaultStaticSecret",
    metadata: { name, namespace, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    spec: {
      ...{ type: "kv-v2", mount: "kv", path: name, refreshAfter: "60s" },
      destination: { name, create: true, ...destination },
      ...rest,
    },
  };
}

/** A VaultDynamicSecret of `database/creds/<name>` into Secret `<name>`. */
export function aDynamicSecret(name = "db", spec: StaticSecretSpec = {}): ClusterObject {
  const { namespace = NAMESPACE, labels, annotations, destination = {}, ...rest } = spec;
  return {
    apiVersion: API,
    kind: "VaultDynamicSecret",
    metadata: { name, namespace, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
    spec: {
      ...{ mount: "database", path: `creds/${name}`, destination: { name, create: true, ...destination } },
      ...rest,
    },
  };
}

/** What a path of kv holds. */
export function aVaultSecret(path = "db", data: Readonly<Record<string, unknown>> = { password: "one" }): VaultSecret {
  return { vault: path, data };
}

export function aVaultAuth(
  name: string,
  spec: Readonly<Record<string, unknown>> = {},
  namespace = NAMESPACE,
): ClusterObject {
  const kubernetes = { role: "app", serviceAccount: "app" };
  return {
    apiVersion: API,
    kind: "VaultAuth",
    metadata: { name, namespace },
    spec: { method: "kubernetes", mount: "kubernetes-east", kubernetes, ...spec },
  };
}

export function aVaultConnection(name: string, address = VAULT, namespace = NAMESPACE): ClusterObject {
  return { apiVersion: API, kind: "VaultConnection", metadata: { name, namespace }, spec: { address } };
}

export function aServiceAccount(name: string, namespace = NAMESPACE): ClusterObject {
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace } };
}

export function aNamespace(name: string): ClusterObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}

export function aDeployment(name: string, namespace = NAMESPACE): ClusterObject {
  return aWorkload(namespace, { kind: "Deployment", name }) as unknown as ClusterObject;
}
