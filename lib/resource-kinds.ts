import type { JsonObject } from "./util/json.ts";

/** A kind that we read: `resource` is its plural. What is missing, it does not have. */
export interface KindRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
  /**
   * Vault Secrets Operator's finalizer on its resources: keyferry respects and then removes it, and adds none of its
   * own.
   */
  readonly finalizer?: string;
  /** Members, beside lastGeneration, without which the API server refuses its status (kubernetes-rules 15). */
  readonly emptyStatus?: JsonObject;
  /** The reason of the event that says that a declaration is not valid, where it is one of this kind alone. */
  readonly invalidReason?: string;
}

/** The API group of the declarations that we share with Vault Secrets Operator. */
export const VSO_GROUP = "secrets.hashicorp.com";

/** What not every kind of Vault Secrets Operator has. */
type Special = Pick<KindRef, "finalizer" | "emptyStatus" | "invalidReason">;

function vsoKind(kind: string, resource: string, special: Special = {}): KindRef {
  return { group: VSO_GROUP, version: "v1beta1", resource, kind, ...special };
}

/** The kinds that we share with Vault Secrets Operator. */
export const VAULT_CONNECTION = vsoKind("VaultConnection", "vaultconnections", {
  finalizer: "vaultconnection.secrets.hashicorp.com/finalizer",
});
export const VAULT_AUTH = vsoKind("VaultAuth", "vaultauths", {
  finalizer: "vaultauth.secrets.hashicorp.com/finalizer",
});
export const VAULT_AUTH_GLOBAL = vsoKind("VaultAuthGlobal", "vaultauthglobals");
export const VAULT_STATIC_SECRET = vsoKind("VaultStaticSecret", "vaultstaticsecrets", {
  finalizer: "vaultstaticsecret.secrets.hashicorp.com/finalizer",
  invalidReason: "VaultStaticSecretError",
});
export const VAULT_DYNAMIC_SECRET = vsoKind("VaultDynamicSecret", "vaultdynamicsecrets", {
  finalizer: "vaultdynamicsecret.secrets.hashicorp.com/finalizer",
  emptyStatus: { lastRenewalTime: 0, secretLease: { id: "", duration: 0, renewable: false, requestID: "" } },
});
export const VAULT_PKI_SECRET = vsoKind("VaultPKISecret", "vaultpkisecrets", {
  finalizer: "vaultpkisecrets.secrets.hashicorp.com/finalizer",
  emptyStatus: { lastRotation: 0, valid: false, error: "" },
});
export const SECRET_TRANSFORMATION = vsoKind("SecretTransformation", "secrettransformations");
/** Kubernetes' own kind: what syncs write and pushes read. */
export const SECRET: KindRef = { group: "", version: "v1", resource: "secrets", kind: "Secret" };

/** The API group of keyferry's own resources. */
export const KEYFERRY_GROUP = "keyferry.dev";

/** A push to Vault, as a resource of its own. */
export const VAULT_PUSH_SECRET: KindRef = {
  ...{ group: KEYFERRY_GROUP, version: "v1alpha1" },
  ...{ resource: "vaultpushsecrets", kind: "VaultPushSecret" },
};

/** Kinds whose annotations can declare a push to Vault. */
const ANNOTATED = ["Deployment", "Secret", "StatefulSet", "DaemonSet", "CronJob"] as const;

/** A kind whose annotations can declare a push, by its name in keys. */
export type AnnotatedKind = (typeof ANNOTATED)[number];

/** Kinds that can declare a push to Vault, as fleet.yaml names them. */
export const PUSH_KINDS = [...ANNOTATED, "VaultPushSecret"] as const;

/** A kind that can declare a push, by its name in keys and in fleet.yaml. */
export type PushKind = (typeof PUSH_KINDS)[number];

function workload(group: string, kind: string, resource: string): KindRef {
  return { group, version: "v1", resource, kind };
}

/** The same as resources. */
export const ANNOTATED_KINDS: Readonly<Record<AnnotatedKind, KindRef>> = {
  Deployment: workload("apps", "Deployment", "deployments"),
  Secret: SECRET,
  StatefulSet: workload("apps", "StatefulSet", "statefulsets"),
  DaemonSet: workload("apps", "DaemonSet", "daemonsets"),
  CronJob: workload("batch", "CronJob", "cronjobs"),
};

/** Every kind that can declare a push. */
export const PUSHING_KINDS: Readonly<Record<PushKind, KindRef>> = {
  ...ANNOTATED_KINDS,
  VaultPushSecret: VAULT_PUSH_SECRET,
};

/** The kind of an annotated object, by its name in keys; undefined for resources of keyferry's own. */
export function annotatedKind(kind: string): KindRef | undefined {
  return Object.hasOwn(ANNOTATED_KINDS, kind) ? ANNOTATED_KINDS[kind as AnnotatedKind] : undefined;
}

/** The kind of what declares a push, annotated or not; undefined for other kinds. */
export function pushingKind(kind: string): KindRef | undefined {
  return Object.hasOwn(PUSHING_KINDS, kind) ? PUSHING_KINDS[kind as PushKind] : undefined;
}

/** Kinds whose objects are syncs. */
export const SYNC_KINDS: readonly KindRef[] = [VAULT_STATIC_SECRET, VAULT_DYNAMIC_SECRET, VAULT_PKI_SECRET];

/** All kinds that we read. */
export const KINDS: readonly KindRef[] = [
  VAULT_CONNECTION,
  VAULT_AUTH,
  VAULT_AUTH_GLOBAL,
  VAULT_STATIC_SECRET,
  VAULT_DYNAMIC_SECRET,
  VAULT_PKI_SECRET,
  SECRET_TRANSFORMATION,
  SECRET,
];

/** The kind of that name, as keys spell it; undefined for other kinds. */
export function kindNamed(kind: string): KindRef | undefined {
  return KINDS.find((candidate) => candidate.kind === kind) ?? pushingKind(kind);
}

/** Whether Vault Secrets Operator has this kind too, and may be at work on its resources. */
export function isOfVso(kind: string): boolean {
  return kindNamed(kind)?.group === VSO_GROUP;
}

/**
 * Kinds that syncs refer to and that have a status: each such resource has its own row, whose runs write the status.
 */
export const REFERENCE_STATUS_KINDS: readonly KindRef[] = [VAULT_CONNECTION, VAULT_AUTH, SECRET_TRANSFORMATION];

/** Whether a row belongs to a checked resource and not to a sync. */
export function isReferenceStatus(key: string): boolean {
  const kind = key.split("/")[1];
  return REFERENCE_STATUS_KINDS.some((known) => known.kind === kind);
}

/** `group/version`, or the version alone for the core group. */
export function apiVersionOf(kind: KindRef): string {
  return kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
}
