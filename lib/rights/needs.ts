import type { NamespaceFilter } from "../namespaces.ts";
import type { PushKind } from "../resource-kinds.ts";

/** The settings of a cluster that decide about its permissions: those of fleet.yaml. */
export interface RightsSettings {
  readonly observe: "watch" | "apply";
  readonly namespaces: NamespaceFilter;
  readonly operatorNamespace: string;
  readonly makeHmacKey?: boolean;
  readonly injector?: { readonly manage?: boolean };
  readonly push?: PushRights;
}

/** The settings of pushes that decide about permissions. */
export interface PushRights {
  readonly kinds: readonly PushKind[];
  readonly namespaces: NamespaceFilter;
  readonly secrets: "watch" | "poll";
  /** Without a namespace, each annotated object logs in with the account of its own. */
  readonly identity: PushLogin;
  /** The logins that VaultPushSecrets may choose. */
  readonly choices?: { readonly identities: readonly PushLogin[] };
}

export interface PushLogin {
  readonly serviceAccount: { readonly namespace?: string; readonly name: string };
}

/** What the cluster's resources declare. Each missing member means that it is not known: everything may be declared. */
export interface DeclaredNeeds {
  /** The kinds of declarations, such as `VaultStaticSecret`. */
  readonly kinds?: readonly string[];
  /** The kinds of `rolloutRestartTargets`, such as `Deployment` and `argo.Rollout`. */
  readonly workloads?: readonly string[];
  /** The names of the service accounts that log in to Vault. */
  readonly serviceAccounts?: readonly string[];
  /** The names of Secrets that VaultAuths (`secretRef`) and VaultConnections (`caCertSecretRef`) name. */
  readonly secrets?: readonly string[];
  /** Whether a VaultAuth logs in with the cloud identity of a service account (`aws` with IRSA, `gcp`). */
  readonly cloudLogins?: boolean;
  /** Whether keyferry takes over credentials that Vault Secrets Operator issued. Missing: no. */
  readonly operatorTokens?: boolean;
}
