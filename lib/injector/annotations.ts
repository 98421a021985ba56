import { AGENT, CONNECTION, OWN } from "./agent-annotations.ts";
import type { Annotation } from "./annotation.ts";
import { SECRETS, SHAPE } from "./pod-annotations.ts";

/** All annotations of the injector, in one table: it parses pods, complains about unknown names and documents. */

export const VAULT_PREFIX = "vault.hashicorp.com/";
/** Of annotations that vault-k8s does not have. */
export const OWN_PREFIX = "keyferry.dev/";

export const STATUS_ANNOTATION = `${VAULT_PREFIX}agent-inject-status`;

export interface Group {
  readonly title: string;
  readonly prefix: string;
  readonly annotations: readonly Annotation[];
}

export const GROUPS = [
  { title: "Secrets", prefix: VAULT_PREFIX, annotations: SECRETS },
  { title: "Containers", prefix: VAULT_PREFIX, annotations: SHAPE },
  { title: "The agent", prefix: VAULT_PREFIX, annotations: AGENT },
  { title: "The connection to Vault", prefix: VAULT_PREFIX, annotations: CONNECTION },
  { title: "Beyond vault-k8s", prefix: OWN_PREFIX, annotations: OWN },
] as const satisfies readonly Group[];

export type Entry = (typeof GROUPS)[number]["annotations"][number];
/** Annotations of the whole pod. */
export type PodEntry = Exclude<Entry, { readonly of: string }>;
/** Annotations that a secret's name follows. */
export type SecretEntry = Extract<Entry, { readonly of: "secret" }>;
export type ParameterEntry = Extract<Entry, { readonly of: "parameter" }>;
