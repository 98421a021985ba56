import type { FleetVault } from "./fleet-vault.ts";
import type { MissingKey } from "./templates.ts";

/** What the core needs to know of a cluster; how to connect to it is the adapters' business. */
export interface ClusterSettings {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly observe: "watch" | "apply";
  readonly namespaces: { readonly include: readonly string[]; readonly exclude: readonly string[] };
  /** Where "default" VaultAuth and VaultConnection are looked up. */
  readonly operatorNamespace: string;
  /** The uid of that namespace, for one that was made after keyferry first looked at the cluster. */
  readonly operatorNamespaceUid?: string;
  /** Whether the key of VSO's MACs is made where a cluster has none; so when missing. */
  readonly makeHmacKey?: boolean;
  /** Overrides what the cluster's own VaultConnection and VaultAuth say, as seen from outside. */
  readonly vault?: {
    readonly address?: string;
    readonly authMount?: string;
    /** What becomes of a Secret whose kv-v2 version was deleted or destroyed; `retain` when missing. */
    readonly onDeleted?: "retain" | "follow";
    /** AWS's token service, in place of what VaultAuths say. */
    readonly stsEndpoint?: string;
    /** Identities of our own that this cluster's VaultAuths may log in with: `vault/identity`, by their names in `vaults`. */
    readonly identities?: readonly string[];
    /** Whether a service account's token has to be for an audience of its own. */
    readonly requireAudiences?: boolean;
  };
  /** The Vaults that fleet.yaml names, the same for all clusters. */
  readonly vaults?: readonly FleetVault[];
  /** Which Vaults its resources may name; `any` public or private host when missing. */
  readonly vaultAddresses?: "any" | "named";
  /** What VSO has as a flag of the operator: `excludeRaw` leaves `_raw` out of every Secret, whatever a declaration says. And what becomes of a field that a template names and that is not there. */
  readonly globalTransformationOptions?: { readonly excludeRaw: boolean; readonly missingKey?: MissingKey };
  /** Namespaces in which keyferry works although Vault Secrets Operator does as well. */
  readonly besideVso?: readonly string[];
}
