import { type EpochMs, MINUTE_MS } from "./clock.ts";

/** Pauses between probes, and their claims, last seconds: what is further ahead is by a clock that was ahead. */
const LONGEST_PROBE_PAUSE_MS = 5 * MINUTE_MS;

/** Whether a circuit's probe is due, also after a clock was set back by hours. */
export function isProbeDue({ probeAt }: { readonly probeAt: EpochMs }, now: EpochMs): boolean {
  return probeAt <= now || probeAt > now + LONGEST_PROBE_PAUSE_MS;
}

/** The id of a Vault's circuit: its syncs wait together while it is out of reach (lease-table 16). */
export function circuitOfVault(address: string): string {
  return `vault:${address.replace(/\/+$/, "")}`;
}

/** The id of a cluster's circuit. */
export function circuitOfCluster(cluster: string): string {
  return `cluster:${cluster}`;
}

/**
 * The id of a suspension: while Vault Secrets Operator works in a cluster or namespace, syncs wait there and watch
 * passes go on.
 */
export function suspensionOf(cluster: string, namespace?: string): string {
  return namespace === undefined ? `${SUSPENSION}${cluster}` : `${SUSPENSION}${cluster}/${namespace}`;
}

const SUSPENSION = "vso:";

/** The place in a suspension's id; undefined for a circuit's id. */
export function placeOfSuspension(id: string): { readonly cluster: string; readonly namespace?: string } | undefined {
  if (!id.startsWith(SUSPENSION)) return undefined;
  const [cluster = "", namespace] = id.slice(SUSPENSION.length).split("/");
  return { cluster, ...(namespace === undefined ? {} : { namespace }) };
}

/** Whether a Vault or cluster does not answer: a suspension is on purpose, and lasts as long as two controllers work. */
export function isOutage({ id }: { readonly id: string }): boolean {
  return placeOfSuspension(id) === undefined;
}

/** The cluster of a circuit; undefined when the circuit is of something else. */
export function clusterOfCircuit(id: string): string | undefined {
  return id.startsWith("cluster:") ? id.slice("cluster:".length) : undefined;
}

/** The Vault address of a circuit; undefined when the circuit is of something else. */
export function vaultOfCircuit(id: string): string | undefined {
  return id.startsWith("vault:") ? id.slice("vault:".length) : undefined;
}
