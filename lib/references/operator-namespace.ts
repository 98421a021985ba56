import { circuitOfCluster } from "../circuits.ts";
import { SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { OperatorSeen } from "../ports/store.ts";

/**
 * The operator namespace has powers over the whole cluster: all clients use its defaults, and it holds VSO's leader
 * lease and our installation id. So it must be the operator's: a tenant who may create namespaces could create one with
 * that name.
 */

/** It existed at the first watch pass, but its uid may not be read. */
const UNCHECKED = "?";

/** Whether the operator namespace has its powers. Before the first watch pass it has. */
export function hasPowers(operator: OperatorSeen | undefined): boolean {
  return operator?.without === undefined;
}

/**
 * The state of the namespace after reading its uid: empty when it may not be read, undefined when it does not exist.
 */
export function classifyOperator(
  before: OperatorSeen | undefined,
  { operatorNamespace: name, operatorNamespaceUid: vouched }: ClusterSettings,
  uid: string | undefined,
): OperatorSeen {
  // Another name in fleet.yaml means the namespace that exists now.
  const known = before?.name === name ? before.first : undefined;
  const first = firstOf(known, uid, vouched);
  const without = withoutPowers(first, uid, vouched);
  return { name, first, ...(without === undefined ? {} : { without }) };
}

function firstOf(known: string | undefined, uid: string | undefined, vouched: string | undefined): string {
  if (uid !== undefined && uid !== "" && uid === vouched) return uid;
  // The permission to read the uid now confirms the existing namespace.
  if (known === UNCHECKED && uid) return uid;
  return known ?? (uid === "" ? UNCHECKED : (uid ?? ""));
}

function withoutPowers(first: string, uid: string | undefined, vouched: string | undefined): OperatorSeen["without"] {
  if (uid === undefined) return "absent";
  if (vouched !== undefined) return uid === vouched ? undefined : "other";
  // Without its uid, a namespace is trusted if there was one from the start.
  const isFirst = uid === "" ? first !== "" : uid === first;
  return isFirst ? undefined : "later";
}

/** The warning about a namespace without powers, with the remedy. */
export function operatorWarning(cluster: string, { name, without }: OperatorSeen): string | undefined {
  const nothing = `keyferry uses no default VaultAuth or VaultConnection, no key of VSO's MACs and no installation mark in it`;
  switch (without) {
    case undefined:
      return undefined;
    case "absent":
      return (
        `operator namespace ${name} does not exist in cluster ${cluster}: ${nothing}. Create it, so that nobody else can, ` +
        `and enter its uid as operatorNamespaceUid in fleet.yaml, or name another one as operatorNamespace`
      );
    case "later":
      return (
        `operator namespace ${name} of cluster ${cluster} is not the one of keyferry's first watch pass, so any user ` +
        `may have created it: ${nothing}. If it is yours, enter its uid (kubectl get namespace ${name} -o jsonpath={.metadata.uid}) ` +
        "as operatorNamespaceUid in fleet.yaml"
      );
    case "other":
      return `operator namespace ${name} of cluster ${cluster} is not the one whose uid is operatorNamespaceUid in fleet.yaml: ${nothing}. If it is yours, correct operatorNamespaceUid`;
    default:
      return without satisfies never;
  }
}

/** The namespace and the installation id stored in it. */
export interface OperatorSight {
  readonly seen: OperatorSeen;
  readonly installation?: string;
}

type Deps = Pick<ReconcileDeps, "clusters" | "installation">;

/**
 * Usually one request: an unchanged ConfigMap proves the same namespace. With `mark`, writes our id where none is
 * stored (lease-table 25).
 */
export async function observeOperator(
  deps: Deps,
  settings: ClusterSettings,
  before: OperatorSeen | undefined,
  { mark }: { readonly mark: boolean },
  signal: AbortSignal,
): Promise<OperatorSight> {
  const { name: cluster, operatorNamespace: namespace } = settings;
  const found = await deps.clusters.installation(cluster, namespace, signal);
  if (typeof found === "object" && before !== undefined && isSame(before, settings, found.uid)) {
    return { seen: before, installation: found.id };
  }
  const uid = await deps.clusters.namespaceUid(cluster, namespace, signal);
  const seen = classifyOperator(before, settings, uid);
  if (!hasPowers(seen)) return { seen };
  const isToWrite = mark && found === "absent";
  const there = isToWrite ? await deps.clusters.markInstallation(cluster, namespace, deps.installation, signal) : found;
  // The mark gives powers: it must not stand in a namespace of that name which somebody made since.
  if (isToWrite && (await deps.clusters.namespaceUid(cluster, namespace, signal)) !== uid) return { seen };
  return typeof there === "object" ? { seen: { ...seen, mark: there.uid }, installation: there.id } : { seen };
}

function isSame(before: OperatorSeen, settings: ClusterSettings, mark: string): boolean {
  const { operatorNamespace, operatorNamespaceUid = before.first } = settings;
  const isNamed = before.name === operatorNamespace && before.first === operatorNamespaceUid;
  return isNamed && hasPowers(before) && before.mark === mark;
}

/** Two installations must not write to one cluster (lease-table 25). */
export function mustBeOurs({ installation: ours }: Deps, settings: ClusterSettings, found: string | undefined): void {
  if (found === undefined || found === ours) return;
  const { name, operatorNamespace } = settings;
  throw new SyncError(
    "OTHER_CONTROLLER",
    `another keyferry installation (${found}) works on cluster ${name}: stop that one, then delete ` +
      `ConfigMap ${operatorNamespace}/keyferry-installation in that cluster so that this one (${ours}) takes over`,
    { circuit: circuitOfCluster(name) },
  );
}
