import { posix } from "node:path";
import { InputError } from "../../lib/errors.ts";
import type { Fleet, FleetCluster } from "../../lib/fleet/fleet.ts";
import { isDnsLabel } from "../../lib/names.ts";
import { namedNamespaces } from "../../lib/namespaces.ts";
import type { PushSettings } from "../../lib/ports/fleet-push.ts";
import { declaredAddressProblem, normalAddress } from "../../lib/vault-address.ts";
import { checkVaultPath } from "../../lib/vault-path.ts";
import { clusterOfFile } from "../named-clusters.ts";

/** The options of `keyferry bootstrap` that say what is printed, not how. */
export interface BootstrapFlags {
  readonly account: string;
  readonly loginAccount: string;
  readonly audience: string;
  readonly vaultAddress?: string;
  readonly context?: string;
  readonly kv: readonly string[];
  readonly kv1: readonly string[];
  readonly dynamic: readonly string[];
  readonly pki: readonly string[];
  readonly instantUpdates?: boolean;
}

/** What one cluster needs, with all names decided: the printers only write it down. */
export interface ClusterNeeds {
  readonly cluster: FleetCluster;
  /** The service account that keyferry works with. */
  readonly account: { readonly namespace: string; readonly name: string };
  /** The service account, in each team's namespace, that syncs log in to Vault with. */
  readonly loginAccount: string;
  readonly audience: string;
  readonly vaultAddress: string;
  /** The Vault namespace of the logins. Missing: the one that whoever runs the commands works in. */
  readonly vaultNamespace?: string;
  /** The mount of the cluster's login in Vault. */
  readonly mount: string;
  readonly role: string;
  readonly policy: string;
  readonly uses: readonly PolicyUse[];
  /** The namespaces that may log in: names, or patterns with stars. */
  readonly namespaces: readonly string[];
  /** Whether these are all of them by name. */
  readonly isNamed: boolean;
  /** The kubectl context of the person who runs the printed commands. */
  readonly context?: string;
  /** The folder of fleet.yaml, for the paths in it. */
  readonly folder: string;
  /** Missing: nothing is pushed. */
  readonly push?: PushNeeds;
}

/** What pushes of the cluster need in Vault. */
export interface PushNeeds {
  readonly cluster: string;
  readonly push: PushSettings;
  /** The Vault namespace of the login, where it is another one than that of the cluster's logins. */
  readonly vaultNamespace?: string;
  readonly policy: string;
  /** Mounts of kv version 1, by the options. */
  readonly kv1: ReadonlySet<string>;
  /** The namespaces whose service accounts may log in. */
  readonly namespaces: readonly string[];
  /** Whether the policy tells the namespaces of annotated objects apart. */
  readonly isTemplated: boolean;
}

/** A path that the policy allows; `{namespace}` in it is the namespace of the service account that logs in. */
export interface PolicyUse {
  readonly kind: "kv-v2" | "kv-v1" | "dynamic" | "pki";
  readonly mount: string;
  readonly path: string;
  /** Events of Vault Enterprise for it. */
  readonly instant?: boolean;
}

export const NAMESPACE_IN_PATH = "{namespace}";

const DEFAULT_KV = `kv/${NAMESPACE_IN_PATH}/*`;

/** Decides everything. Throws an InputError that names each missing or wrong option. */
export function clusterNeeds(
  { fleet, folder, fileName }: { readonly fleet: Fleet; readonly folder: string; readonly fileName: string },
  name: string,
  flags: BootstrapFlags,
): ClusterNeeds {
  const cluster = clusterOfFile(fleet, name, { fileName, subject: "bootstrap" });
  const problems: string[] = [];
  const account = accountOf(flags.account, problems);
  if (!isDnsLabel(flags.loginAccount)) problems.push(`--login-account ${flags.loginAccount}: must be a name`);
  const uses = usesOf(flags, problems);
  const vaultAddress = flags.vaultAddress ?? addressOf(cluster, fleet);
  problems.push(...optionProblems(flags));
  if (vaultAddress === undefined) {
    problems.push(`${fileName} names no address of Vault for cluster ${name}: set vault.address, or --vault-address`);
  }
  if (problems.length > 0) throw new InputError("bootstrap", problems);
  const named = namedNamespaces(cluster.namespaces);
  const vaultNamespace = namespaceOf(cluster, fleet, vaultAddress);
  return {
    cluster,
    account,
    loginAccount: flags.loginAccount,
    audience: flags.audience,
    vaultAddress: vaultAddress ?? "",
    ...(vaultNamespace === undefined ? {} : { vaultNamespace }),
    mount: cluster.vault?.authMount ?? `kubernetes-${name}`,
    role: "keyferry",
    policy: `keyferry-${name}`,
    uses,
    namespaces: named ?? cluster.namespaces.include,
    isNamed: named !== undefined,
    ...(flags.context === undefined ? {} : { context: flags.context }),
    folder,
    ...(cluster.push === undefined ? {} : { push: pushNeeds(cluster, cluster.push, { uses, vaultNamespace }) }),
  };
}

/** Only an account in the namespace of each object lets Vault tell these apart. */
function pushNeeds(
  { name, namespaces }: FleetCluster,
  push: PushSettings,
  { uses, vaultNamespace }: { readonly uses: readonly PolicyUse[]; readonly vaultNamespace: string | undefined },
): PushNeeds {
  const { method, serviceAccount, namespace } = push.identity;
  const { include } = push.namespaces.include.includes("*") ? namespaces : push.namespaces;
  return {
    ...{ cluster: name, push, policy: `keyferry-push-${name}` },
    ...(namespace === undefined || namespace === vaultNamespace ? {} : { vaultNamespace: namespace }),
    kv1: new Set(uses.filter(({ kind }) => kind === "kv-v1").map(({ mount }) => mount)),
    namespaces: serviceAccount.namespace === undefined ? include : [serviceAccount.namespace],
    isTemplated:
      method === "kubernetes" &&
      serviceAccount.namespace === undefined &&
      push.paths.some((path) => path.includes(NAMESPACE_IN_PATH)),
  };
}

/** As fleet.yaml has it: for this cluster, or the only one of its Vaults. */
function addressOf({ vault }: FleetCluster, { vaults }: Fleet): string | undefined {
  const [only, ...others] = vaults;
  const named = vaults.find(({ name }) => name === vault?.name)?.addresses[0];
  return vault?.address ?? named ?? (others.length === 0 ? only?.addresses[0] : undefined);
}

/** By the name of the cluster's Vault, or by the address. */
function namespaceOf({ vault }: FleetCluster, { vaults }: Fleet, address: string | undefined): string | undefined {
  const named = vaults.find(({ name }) => name === vault?.name);
  const at = normalAddress(address ?? "");
  return (named ?? vaults.find(({ addresses }) => addresses.some((known) => normalAddress(known) === at)))?.namespace;
}

function optionProblems({ vaultAddress, audience }: BootstrapFlags): readonly string[] {
  const problem = vaultAddress === undefined ? undefined : declaredAddressProblem(vaultAddress);
  return [
    ...(problem === undefined ? [] : [`--vault-address ${vaultAddress}: ${problem}`]),
    ...(audience === "" ? ["--audience: must not be empty"] : []),
  ];
}

function accountOf(text: string, problems: string[]): ClusterNeeds["account"] {
  const [namespace = "", name = "", ...more] = text.split("/");
  if (more.length > 0 || !isDnsLabel(namespace) || !isDnsLabel(name)) {
    problems.push(`--account ${text}: must be NAMESPACE/NAME, such as keyferry/keyferry`);
  }
  return { namespace, name };
}

function usesOf(flags: BootstrapFlags, problems: string[]): readonly PolicyUse[] {
  const { kv, kv1, dynamic, pki, instantUpdates = false } = flags;
  const hasNone = [kv, kv1, dynamic, pki].every((list) => list.length === 0);
  const parse = (option: string, kind: PolicyUse["kind"], texts: readonly string[]): readonly PolicyUse[] =>
    texts.map((text) => useOf(option, kind, text, problems));
  const instant = (uses: readonly PolicyUse[]): readonly PolicyUse[] =>
    instantUpdates ? uses.map((use) => ({ ...use, instant: true })) : uses;
  return [
    ...instant(parse("--kv", "kv-v2", hasNone ? [DEFAULT_KV] : kv)),
    ...instant(parse("--kv1", "kv-v1", kv1)),
    ...parse("--dynamic", "dynamic", dynamic),
    ...parse("--pki", "pki", pki),
  ];
}

function useOf(option: string, kind: PolicyUse["kind"], text: string, problems: string[]): PolicyUse {
  const [mount = "", ...rest] = text.split("/");
  const path = rest.join("/");
  const plain = text.replaceAll(NAMESPACE_IN_PATH, "namespace").replace(/\*$/, "x");
  const wrong = [
    ...checkVaultPath(plain),
    ...(path === "" ? ["must be MOUNT/PATH"] : []),
    ...(/[{}*"\s]/.test(plain) || posix.normalize(plain) !== plain
      ? ["may have {namespace} anywhere, and a star at its end"]
      : []),
  ];
  for (const problem of wrong) problems.push(`${option} ${text}: ${problem}`);
  return { kind, mount, path };
}
