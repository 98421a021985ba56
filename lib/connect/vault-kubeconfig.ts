import { SyncError } from "../errors.ts";
import type { VaultKubeconfigWay } from "../fleet/vault-connect-schema.ts";
import { isShape, type Shape } from "../kubernetes/shapes.ts";
import { goodFor } from "./good-for.ts";
import { kubeconfigText } from "./kubeconfig-text.ts";
import { vaultOf } from "./vault-of.ts";
import type { Way } from "./way.ts";
import { yamlMap } from "./yaml-map.ts";

/**
 * A kubeconfig at a path of Vault, read again every five minutes. It may name no program and no file: whoever may write
 * that path would otherwise run commands as keyferry, or have it send its own files to a server of theirs.
 */
export const vaultKubeconfig: Way<VaultKubeconfigWay> = async (way, deps, access) => {
  const vault = await vaultOf(deps);
  const text = await vault.kubeconfig(access, way);
  const { cluster, user } = chosen(way, text);
  return { kubeConfig: { text: kubeconfigText(cluster, user) }, ...goodFor(deps.clock) };
};

/** The fields of a kubeconfig that need something of keyferry's own machine, and what to use instead. */
const REFUSED = {
  user: {
    exec: "an exec plugin: put a token or a client certificate there",
    "auth-provider": "an auth-provider: put a token or a client certificate there",
    tokenFile: "tokenFile: put the token itself there, as token",
    "client-certificate": "client-certificate: put the certificate itself there, as client-certificate-data",
    "client-key": "client-key: put the key itself there, as client-key-data",
  },
  cluster: {
    "certificate-authority":
      "certificate-authority: put the certificates themselves there, as certificate-authority-data",
  },
} as const;

/** The cluster and the user of the context alone: nothing else of the kubeconfig counts. */
function chosen(way: VaultKubeconfigWay, text: string): { readonly cluster: Shape; readonly user: Shape } {
  const config = yamlMap(text);
  if (config === undefined) throw invalid(way, "is not YAML with clusters, users and contexts");
  const context = way.context ?? config["current-context"];
  const { cluster: ofCluster, user: ofUser } = entry(way, config, "context", context);
  const cluster = entry(way, config, "cluster", ofCluster);
  const user = entry(way, config, "user", ofUser);
  for (const [part, fields] of [
    ["user", user],
    ["cluster", cluster],
  ] as const) {
    for (const [field, what] of Object.entries(REFUSED[part])) {
      if (fields[field] !== undefined) throw invalid(way, `has ${what}`);
    }
  }
  return { cluster, user };
}

function entry(way: VaultKubeconfigWay, config: Shape, part: "context" | "cluster" | "user", name: unknown): Shape {
  const list = config[`${part}s`];
  const found = Array.isArray(list) ? list.find((one) => isShape(one) && one.name === name) : undefined;
  const fields: unknown = found?.[part];
  if (typeof name === "string" && isShape(fields)) return fields;
  throw invalid(way, part === "context" ? "lacks its context" : `lacks the ${part} of its context`);
}

function invalid({ vault, mount, path, key }: VaultKubeconfigWay, complaint: string): SyncError {
  return new SyncError(
    "REFERENCE_INVALID",
    `the kubeconfig in key ${key} of ${mount}/${path} in Vault ${vault} ${complaint}`,
  );
}
