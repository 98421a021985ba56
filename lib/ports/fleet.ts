import type { InjectorOverrides } from "../injector-settings.ts";
import type { PushSettings } from "./fleet-push.ts";
import type { FleetVault } from "./fleet-vault.ts";
import type { MissingKey } from "./templates.ts";

/** The settings of a cluster for the core; adapters know how to connect to it. */
export interface ClusterSettings {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly observe: "watch" | "apply";
  readonly namespaces: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  /** The namespace of the VaultAuth and VaultConnection named default. */
  readonly operatorNamespace: string;
  /** The uid of that namespace, if it was created after keyferry's first pass over the cluster. */
  readonly operatorNamespaceUid?: string;
  /** Whether to create the key of VSO's MACs where it is missing; default: yes. */
  readonly makeHmacKey?: boolean;
  /** Overrides the cluster's own VaultConnections and VaultAuths, for access from outside. */
  readonly vault?: {
    /** One of `vaults`: its first address is the cluster's Vault, with or without a VaultConnection. */
    readonly name?: string;
    readonly address?: string;
    readonly authMount?: string;
    /** What happens to a Secret when its kv-v2 version is deleted or destroyed; default: `retain`. */
    readonly onDeleted?: "retain" | "follow";
    /** AWS's token service, in place of that of VaultAuths. */
    readonly stsEndpoint?: string;
    /**
     * keyferry's own identities that this cluster's VaultAuths may use: `vault/identity`, by their names in `vaults`.
     */
    readonly identities?: readonly string[];
    /** Whether a service account's token must have its own audience. */
    readonly requireAudiences?: boolean;
  };
  /** The Vaults of fleet.yaml, the same for all clusters. */
  readonly vaults?: readonly FleetVault[];
  /** Which Vaults its resources may name; default: `any` public or private host. */
  readonly vaultAddresses?: "any" | "named";
  /**
   * Like the flags of VSO's operator. `excludeRaw` leaves `_raw` out of every Secret, whatever a declaration says;
   * `missingKey` decides about missing fields in templates.
   */
  readonly globalTransformationOptions?: { readonly excludeRaw: boolean; readonly missingKey?: MissingKey };
  /** What this cluster's pods get from the injector, where it differs from the fleet's. */
  readonly injector?: InjectorOverrides & {
    /** Whether keyferry registers the injector's webhook in the cluster. */
    readonly manage?: boolean;
  };
  /** Which of its Secrets are pushed to Vault; missing: none. */
  readonly push?: PushSettings;
  /** Namespaces in which keyferry works although Vault Secrets Operator does, too. */
  readonly besideVso?: readonly string[];
}
