/** What fleet.yaml says of Vaults, as far as the core asks. */

/** keyferry's own identity at a cloud, as it is lent to a Vault that fleet.yaml names. */
export interface LentIdentity {
  readonly name: string;
  readonly method: "aws";
  /** Of the login in Vault. */
  readonly role: string;
  /** What the login's signature is good for: the mount's `iam_server_id_header_value`. */
  readonly headerValue: string;
  readonly region?: string;
  /** Missing: any. */
  readonly mount?: string;
}

/** A Vault that fleet.yaml names, for all clusters. */
export interface FleetVault {
  readonly name: string;
  /** In the spelling of `normalAddress`. */
  readonly addresses: readonly string[];
  /** Trusted where a VaultConnection names no CA. */
  readonly caFile?: string;
  /** Vault namespace where nothing else says one. */
  readonly namespace?: string;
  readonly identities: readonly LentIdentity[];
}

/** Reads what a Vault's `caFile` holds now, by the Vault's name in fleet.yaml. */
export type TrustAnchors = (vault: string, signal: AbortSignal) => Promise<string>;
