/** The Vault settings of fleet.yaml that the core needs. */

/** keyferry's own cloud identity, lent to a Vault of fleet.yaml. */
export interface LentIdentity {
  readonly name: string;
  readonly method: "aws";
  /** The role of the login in Vault. */
  readonly role: string;
  /** The Vault for which the login's signature is valid: the mount's `iam_server_id_header_value`. */
  readonly headerValue: string;
  readonly region?: string;
  /** Missing: any. */
  readonly mount?: string;
}

/** A login with what a file holds, for connections to clusters. Never lent. */
export type FileIdentity = {
  readonly name: string;
  /** Missing: the method's usual one. */
  readonly mount?: string;
} & (
  | { readonly method: "jwt" | "kubernetes"; readonly role: string; readonly tokenFile: string }
  | { readonly method: "appRole"; readonly roleId: string; readonly secretIdFile: string }
);

/** A Vault of fleet.yaml, for all clusters. */
export interface FleetVault {
  readonly name: string;
  /** As `normalAddress` spells them. */
  readonly addresses: readonly string[];
  /** Trusted when a VaultConnection names no CA. */
  readonly caFile?: string;
  /** The URL of the HTTP proxy to these addresses. May hold a password: never in a message. */
  readonly proxy?: string;
  /** The default Vault namespace. */
  readonly namespace?: string;
  /** keyferry's own. Only those of method aws can be lent. */
  readonly identities: readonly (LentIdentity | FileIdentity)[];
  /** Requests that all of keyferry's processes together may send to it. Missing: any number. */
  readonly requestsPerSecond?: number;
  /** How long Vault may work on a request (`max_request_duration`), in ms; default: 90 s. */
  readonly maxRequestDurationMs?: number;
  /** How long leases of what left the fleet are renewed, in ms; default: 24 h. */
  readonly retentionMs?: number;
}

/** Reads the current content of a Vault's `caFile`, by the Vault's name in fleet.yaml. */
export type TrustAnchors = (vault: string, signal: AbortSignal) => Promise<string>;
