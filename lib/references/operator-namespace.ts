import { circuitOfCluster } from "../circuits.ts";
import { SyncError } from "../errors.ts";
import type { ReconcileDeps } from "../ports/deps.ts";
import type { ClusterSettings } from "../ports/fleet.ts";
import type { OperatorSeen } from "../ports/store.ts";

/**
 * The operator namespace has powers over the whole cluster: its defaults are everybody's, VSO's leader lease and our
 * installation id stand there. So it must be the operator's: a tenant who may create namespaces could create that one.
 */

/** It was there at the first watch pass, and may not be asked for its uid. */
const UNCHECKED = "?";

/** Whether the operator namespace has its powers. What was never looked at has them: its first watch pass decides. */
export function hasPowers(operator: OperatorSeen | undefined): boolean {
  return operator?.without === undefined;
}

/** What is known of the namespace after its uid was asked for: empty is one that may not be read, undefined is none. */
export function classifyOperator(
  before: OperatorSeen | undefined,
  { operatorNamespace: name, operatorNamespaceUid: vouched }: ClusterSettings,
  uid: string | undefined,
): OperatorSeen {
  // Whoever names another namespace in fleet.yaml means the one that is there now.
  const known = before?.name === name ? before.first : undefined;
  const first = firstOf(known, uid, vouched);
  const without = withoutPowers(first, uid, vouched);
  return { name, first, ...(without === undefined ? {} : { without }) };
}

function firstOf(known: string | undefined, uid: string | undefined, vouched: string | undefined): string {
  if (uid !== undefined && uid !== "" && uid === vouched) return uid;
  // Whoever grants the right to ask vouches for what is there.
  if (known === UNCHECKED && uid) return uid;
  return known ?? (uid === "" ? UNCHECKED : (uid ?? ""));
}

function withoutPowers(first: string, uid: string | undefined, vouched: string | undefined): OperatorSeen["without"] {
  if (uid === undefined) return "absent";
  if (vouched !== undefined) return uid === vouched ? undefined : "other";
  // A namespace that can't be told from another one is believed where there was one from the beginning.
  const isFirst = uid === "" ? first !== "" : uid === first;
  return isFirst ? undefined : "later";
}

/** What people are told of a namespace that has no powers, and what they can do. */
export function operatorWarning(cluster: string, { name, without }: OperatorSeen): string | undefined {
  const nothing = `it has no default VaultAuth or VaultConnection, no key of VSO's MACs and no mark of this installation`;
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
        `operator namespace ${name} of cluster ${cluster} is not the one that was there at keyferry's first watch pass, so that anybody ` +
        `may have made it: ${nothing}. If it is yours, enter its uid (kubectl get namespace ${name} -o jsonpath={.metadata.uid}) ` +
        "as operatorNamespaceUid in fleet.yaml"
      );
    case "other":
      return `operator namespace ${name} of cluster ${cluster} is not the one whose uid is operatorNamespaceUid in fleet.yaml: ${nothing}. If it is yours, correct operatorNamespaceUid`;
    default:
      return without satisfies never;
  }
}

/** The namespace and the id of the installation that stands in it. */
export interface OperatorSight {
  readonly seen: OperatorSeen;
  readonly installation?: string;
}

type Deps = Pick<ReconcileDeps, "clusters" | "installation">;

/**
 * One request as a rule: a ConfigMap that is the one of the last watch pass stands in the same namespace. With `mark` our id is
 * written where none stands (lease-table 25).
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
  const seen = classifyOperator(before, settings, await deps.clusters.namespaceUid(cluster, namespace, signal));
  if (!hasPowers(seen)) return { seen };
  const isToWrite = mark && found === "absent";
  const there = isToWrite ? await deps.clusters.markInstallation(cluster, namespace, deps.installation, signal) : found;
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
    `cluster ${name} is kept in step by another keyferry installation (${found}): stop that one, then delete ` +
      `ConfigMap ${operatorNamespace}/keyferry-installation in that cluster so that this one (${ours}) takes over`,
    { circuit: circuitOfCluster(name) },
  );
}
