/** The id of the circuit of one Vault: its syncs wait together while it is out of reach (lease-table 16). */
export function circuitOfVault(address: string): string {
  return `vault:${address.replace(/\/+$/, "")}`;
}

/** The id of the circuit of one cluster. */
export function circuitOfCluster(cluster: string): string {
  return `cluster:${cluster}`;
}

/**
 * The id of the suspension while Vault Secrets Operator works in a cluster, or in one namespace of it: syncs wait,
 * watch passes go on.
 */
export function suspensionOf(cluster: string, namespace?: string): string {
  return namespace === undefined ? `${SUSPENSION}${cluster}` : `${SUSPENSION}${cluster}/${namespace}`;
}

const SUSPENSION = "vso:";

/** What such an id says; undefined for the id of a circuit. */
export function placeOfSuspension(id: string): { readonly cluster: string; readonly namespace?: string } | undefined {
  if (!id.startsWith(SUSPENSION)) return undefined;
  const [cluster = "", namespace] = id.slice(SUSPENSION.length).split("/");
  return { cluster, ...(namespace === undefined ? {} : { namespace }) };
}

/** The cluster that a circuit stands for; undefined when it is of something else. */
export function clusterOfCircuit(id: string): string | undefined {
  return id.startsWith("cluster:") ? id.slice("cluster:".length) : undefined;
}

/** The address that a Vault's circuit stands for; undefined when it is of something else. */
export function vaultOfCircuit(id: string): string | undefined {
  return id.startsWith("vault:") ? id.slice("vault:".length) : undefined;
}
