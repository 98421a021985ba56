import type { PushKind } from "../resource-kinds.ts";

/** The settings in fleet.yaml for pushing a cluster's Secrets to Vault. Without them nothing is ever pushed. */

/** How the pushes of a cluster log in: with a service account of that cluster. */
export interface PushIdentity {
  readonly method: "kubernetes" | "jwt";
  readonly mount: string;
  readonly role: string;
  /** Missing namespace: that of the annotated object, so that Vault tells tenants apart. */
  readonly serviceAccount: { readonly namespace?: string; readonly name: string };
  readonly audiences: readonly string[];
  /** Vault namespace; default: the Vault's own in fleet.yaml. */
  readonly namespace?: string;
}

/** What the objects of a cluster may push, where to, with which login, and what happens to data that is there. */
export interface PushSettings {
  readonly kinds: readonly PushKind[];
  readonly namespaces: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  /** Patterns of the paths that may be written to. */
  readonly paths: readonly string[];
  /** The name of one of `vaults`; missing: the cluster's own. */
  readonly vault?: string;
  readonly identity: PushIdentity;
  /** How changes of Secrets are noticed: by metadata of all of them, or by reading them again and again. */
  readonly secrets: "watch" | "poll";
  /** How often `poll` reads them where no annotation says so, such as `5m`. */
  readonly pollEvery: string;
  /** What happens where someone else's data is at first sight. */
  readonly conflict: "fail" | "adopt" | "merge";
  /** What a deletion removes: the version that keyferry wrote, or the path with all its versions. */
  readonly deletion: "version" | "metadata";
  /** `cluster`: `clusters/<name>/` after the mount. */
  readonly prefix: "none" | "cluster";
  /** Whether a workload may push only Secrets that its pod template mounts. */
  readonly mountedOnly: boolean;
  /** Whether the Secrets of projected volumes, and imagePullSecrets, are discovered too. */
  readonly projectedVolumes: boolean;
  readonly imagePullSecrets: boolean;
  /** What a VaultPushSecret may choose beyond this; missing: nothing. */
  readonly choices?: PushChoices;
}

/** The furthest that a VaultPushSecret may go; missing: as far as the settings of the cluster. */
export interface PushChoices {
  readonly conflict?: PushSettings["conflict"];
  readonly deletion?: PushSettings["deletion"];
  /** Logins by name. */
  readonly identities: readonly NamedPushIdentity[];
}

/** A login that a VaultPushSecret may name. */
export interface NamedPushIdentity extends PushIdentity {
  readonly name: string;
}
