import { readingWay } from "../reading-way.ts";
import {
  type KindRef,
  REFERENCE_STATUS_KINDS,
  SECRET_TRANSFORMATION,
  SYNC_KINDS,
  VAULT_AUTH,
  VAULT_AUTH_GLOBAL,
  VAULT_CONNECTION,
  VSO_GROUP,
} from "../resource-kinds.ts";
import type { DeclaredNeeds, RightsSettings } from "./needs.ts";
import { annotatedRules, loginRules, ownRules } from "./push-rules.ts";
import { core, type Rule } from "./rule.ts";

/**
 * Where a permission is needed. `served`: the namespaces whose declarations count. `references`: these and the operator
 * namespace. `pushing`: those of the served ones whose objects may push. `operator`, `kube-system`: this one namespace.
 * `cluster`: a kind without namespaces.
 */
export type Place = "served" | "references" | "pushing" | "operator" | "kube-system" | "cluster";

/** One row: a use of the API, the rules that it needs, and why. No rules: this cluster does not need it. */
interface Entry {
  readonly use: string;
  readonly where: Place;
  readonly need?: "optional";
  readonly reason: string;
  readonly rules: (settings: RightsSettings, declared: DeclaredNeeds) => readonly Rule[];
}

const HMAC_KEY = "vso-cc-storage-hmac-key";
const APPS: Readonly<Record<string, string>> = {
  Deployment: "deployments",
  StatefulSet: "statefulsets",
  DaemonSet: "daemonsets",
};

/** Every use that keyferry makes of an API server, in the order of the printed roles. */
export const KUBERNETES_TABLE: readonly Entry[] = [
  {
    use: "secrets",
    where: "served",
    reason:
      "keyferry writes Secrets, reads them, and watches their metadata for changes by others. delete: clean-up, change of type.",
    rules: ({ observe }) =>
      observe === "watch" ? [core("secrets", ["get", "list", "watch", "create", "patch", "delete"])] : [],
  },
  {
    use: "secrets",
    where: "served",
    reason:
      "keyferry applies Secrets again on each refresh; it lists and watches none. delete: clean-up, change of type.",
    rules: ({ observe }) => (observe === "apply" ? [core("secrets", ["create", "patch", "delete"])] : []),
  },
  {
    use: "hmac-key",
    where: "operator",
    need: "optional",
    reason: "The HMAC key of Vault Secrets Operator, for the MACs in the status of declarations.",
    rules: () => [core("secrets", ["get"], [HMAC_KEY])],
  },
  {
    use: "make-hmac-key",
    where: "operator",
    need: "optional",
    reason:
      "Creates that key once if the cluster has none; create cannot be limited to a name. makeHmacKey: false in fleet.yaml makes it unnecessary.",
    rules: ({ makeHmacKey }) => (makeHmacKey === false ? [] : [core("secrets", ["create"])]),
  },
  {
    use: "login-secrets",
    where: "references",
    reason:
      "The Secrets that VaultAuths (secretRef) and VaultConnections (caCertSecretRef) name. list, watch: keyferry follows the metadata of each one by its name.",
    rules: ({ observe }, { secrets = [] }) => some(secrets, (names) => core("secrets", waysToFollow(observe), names)),
  },
  {
    use: "operator-tokens",
    where: "operator",
    need: "optional",
    reason: "Takes over credentials with the Vault tokens that Vault Secrets Operator stored as Secrets vso-cc-….",
    rules: ({ observe }, { operatorTokens = false }) =>
      operatorTokens ? [core("secrets", [readingWay(observe)])] : [],
  },
  {
    use: "declarations",
    where: "served",
    reason: "Declarations.",
    rules: () => [vso(SYNC_KINDS, ["get", "list", "watch"])],
  },
  {
    use: "references",
    where: "references",
    reason: "What declarations refer to.",
    rules: () => [
      vso([VAULT_CONNECTION, VAULT_AUTH, VAULT_AUTH_GLOBAL, SECRET_TRANSFORMATION], ["get", "list", "watch"]),
    ],
  },
  {
    use: "declaration-status",
    where: "served",
    reason: "The status of declarations.",
    rules: (_settings, declared) => some(declaredKinds(declared), (kinds) => vso(kinds, ["patch"], "/status")),
  },
  {
    use: "reference-status",
    where: "references",
    reason: "The status of what they refer to.",
    rules: () => [vso(REFERENCE_STATUS_KINDS, ["patch"], "/status")],
  },
  {
    use: "declaration-finalizers",
    where: "served",
    reason:
      "Removes finalizers of Vault Secrets Operator from resources that are being deleted. keyferry handover adds the operator's finalizer and an annotation.",
    rules: (_settings, declared) => some(declaredKinds(declared), (kinds) => vso(kinds, ["patch"])),
  },
  {
    use: "reference-finalizers",
    where: "references",
    reason: "The same for what they refer to.",
    rules: () => [vso([VAULT_CONNECTION, VAULT_AUTH], ["patch"])],
  },
  {
    use: "events",
    where: "references",
    reason: "Events of declarations and of what they refer to.",
    rules: () => [core("events", ["create"])],
  },
  {
    use: "workloads",
    where: "served",
    need: "optional",
    reason:
      "Restarts the workloads in rolloutRestartTargets. patch can change everything in a workload: leave it out if no declaration names targets.",
    rules: (_settings, { workloads = Object.keys(APPS) }) => {
      const resources = Object.keys(APPS).flatMap((kind) => (workloads.includes(kind) ? [APPS[kind] ?? ""] : []));
      return some(resources, () => ({ apiGroups: ["apps"], resources, verbs: ["get", "patch"] }));
    },
  },
  {
    use: "argo-rollouts",
    where: "served",
    need: "optional",
    reason: "The same for Argo Rollouts.",
    rules: (_settings, { workloads = ["argo.Rollout"] }) =>
      workloads.includes("argo.Rollout")
        ? [{ apiGroups: ["argoproj.io"], resources: ["rollouts"], verbs: ["get", "patch"] }]
        : [],
  },
  {
    use: "push-objects",
    where: "pushing",
    reason:
      "Objects whose annotations push Secrets to Vault: keyferry follows their metadata, and reads a pod template when it changed.",
    rules: ({ push }) => annotatedRules(push, ["get", "list", "watch"]),
  },
  {
    use: "push-resources",
    where: "pushing",
    reason: "VaultPushSecrets.",
    rules: ({ push }) => ownRules(push, ["get", "list", "watch"]),
  },
  {
    use: "push-status",
    where: "pushing",
    reason: "The status of VaultPushSecrets.",
    rules: ({ push }) => ownRules(push, ["patch"], "/status"),
  },
  {
    use: "push-finalizers",
    where: "pushing",
    need: "optional",
    reason:
      "Removes the finalizer of Vault Sync Operator from annotated objects that are being deleted. Leave it out where that never ran: patch can change everything in an object.",
    rules: ({ push }) => annotatedRules(push, ["patch"]),
  },
  {
    use: "push-secrets",
    where: "pushing",
    reason: "The Secrets that are pushed to Vault. push.secrets: poll in fleet.yaml needs no list and no watch.",
    rules: ({ push }) =>
      push === undefined ? [] : [core("secrets", push.secrets === "watch" ? ["get", "list", "watch"] : ["get"])],
  },
  {
    use: "push-login",
    where: "pushing",
    reason: "Tokens for the logins of pushes to Vault.",
    rules: ({ push }) => loginRules(push),
  },
  {
    use: "login-tokens",
    where: "served",
    reason:
      "Tokens for logins to Vault. With it keyferry can act as these service accounts: list them in resourceNames to allow no others.",
    rules: (_settings, { serviceAccounts }) =>
      serviceAccounts?.length === 0 ? [] : [core("serviceaccounts/token", ["create"], serviceAccounts)],
  },
  {
    use: "cloud-identities",
    where: "served",
    reason:
      "The annotations of service accounts name their cloud identity. Only VaultAuths of method aws (irsaServiceAccount) and gcp need this.",
    rules: (_settings, { cloudLogins = true, serviceAccounts }) =>
      cloudLogins ? [core("serviceaccounts", ["get"], serviceAccounts)] : [],
  },
  {
    use: "cluster-identity",
    where: "kube-system",
    reason: "The uid of kube-system identifies the cluster.",
    rules: () => [core("namespaces", ["get"], ["kube-system"])],
  },
  {
    use: "operator-identity",
    where: "operator",
    need: "optional",
    reason:
      "Identifies the operator namespace, which another user may create again under its name: operatorNamespace in fleet.yaml.",
    rules: ({ operatorNamespace }) => [core("namespaces", ["get"], [operatorNamespace])],
  },
  {
    use: "installation",
    where: "operator",
    need: "optional",
    reason: "Distinguishes this installation of keyferry from another one.",
    rules: () => [core("configmaps", ["get"], ["keyferry-installation"])],
  },
  {
    use: "mark-installation",
    where: "operator",
    need: "optional",
    reason: "Creates that ConfigMap once; create cannot be limited to a name.",
    rules: () => [core("configmaps", ["create"])],
  },
  {
    use: "operator-lease",
    where: "operator",
    need: "optional",
    reason:
      "The leader election lease of Vault Secrets Operator shows whether the operator works in this cluster. Without this permission, keyferry notices only the operator's status writes.",
    rules: () => [
      {
        apiGroups: ["coordination.k8s.io"],
        resources: ["leases"],
        resourceNames: ["b0d477c0.hashicorp.com"],
        verbs: ["get"],
      },
    ],
  },
  {
    use: "injector-registration",
    where: "cluster",
    need: "optional",
    reason: "Registers the injector's webhook and keeps its URL, key and CA up to date: injector.manage in fleet.yaml.",
    rules: ({ injector }) =>
      injector?.manage === true
        ? [
            {
              apiGroups: ["admissionregistration.k8s.io"],
              resources: ["mutatingwebhookconfigurations"],
              resourceNames: ["vault-agent-injector-keyferry"],
              verbs: ["get", "create", "patch"],
            },
          ]
        : [],
  },
];

/** The verbs for a Secret that holds a credential or a CA bundle. */
export function waysToFollow(observe: RightsSettings["observe"]): readonly string[] {
  return observe === "watch" ? ["get", "list", "watch"] : ["get"];
}

function vso(kinds: readonly KindRef[], verbs: readonly string[], subresource = ""): Rule {
  return { apiGroups: [VSO_GROUP], resources: kinds.map(({ resource }) => `${resource}${subresource}`), verbs };
}

function declaredKinds({ kinds }: DeclaredNeeds): readonly KindRef[] {
  return SYNC_KINDS.filter(({ kind }) => kinds?.includes(kind) ?? true);
}

/** A rule for a list that is not empty: a rule without resources is not valid. */
function some<T>(list: readonly T[], rule: (list: readonly T[]) => Rule): readonly Rule[] {
  return list.length === 0 ? [] : [rule(list)];
}
