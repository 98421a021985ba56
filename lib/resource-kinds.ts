/** A kind that we read: `resource` is its plural. */
export interface KindRef {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly kind: string;
}

/** The API group of the declarations that we share with Vault Secrets Operator. */
export const VSO_GROUP = "secrets.hashicorp.com";

function vsoKind(kind: string, resource: string): KindRef {
  return { group: VSO_GROUP, version: "v1beta1", resource, kind };
}

export const VAULT_CONNECTION = vsoKind("VaultConnection", "vaultconnections");
export const VAULT_AUTH = vsoKind("VaultAuth", "vaultauths");
export const VAULT_AUTH_GLOBAL = vsoKind("VaultAuthGlobal", "vaultauthglobals");
export const VAULT_STATIC_SECRET = vsoKind("VaultStaticSecret", "vaultstaticsecrets");
export const VAULT_DYNAMIC_SECRET = vsoKind("VaultDynamicSecret", "vaultdynamicsecrets");
export const VAULT_PKI_SECRET = vsoKind("VaultPKISecret", "vaultpkisecrets");
export const SECRET_TRANSFORMATION = vsoKind("SecretTransformation", "secrettransformations");
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

export type AnnotatedKind = (typeof ANNOTATED)[number];

/** Kinds that can declare a push to Vault, as fleet.yaml names them. */
export const PUSH_KINDS = [...ANNOTATED, "VaultPushSecret"] as const;

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
