import type { EpochMs } from "../clock.ts";
import type { SecretData, SecretValue } from "../secret-value.ts";
import type { NamedObject } from "./objects.ts";

/** A service account token or a Secret's key in one cluster; read when a login needs it. */
export type CredentialRef =
  | {
      readonly kind: "serviceAccount";
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      readonly audiences: readonly string[];
      readonly expirationSeconds: number;
    }
  | {
      readonly kind: "secret";
      readonly cluster: string;
      readonly namespace: string;
      readonly name: string;
      readonly key: string;
      /** Changes with the Secret; missing where Secrets are not followed. */
      readonly version?: string;
    };

/** What a file of fleet.yaml holds, for a login of keyferry's own. */
export interface FileCredential {
  readonly kind: "file";
  readonly path: string;
}

/** The credential of a login: an object of a cluster, or the cloud identity of this process (only aws). */
export type LoginCredential = CredentialRef | { readonly kind: "process" };

/** Reads what logins need from clusters. */
export interface CredentialSource {
  credential(ref: CredentialRef, signal: AbortSignal): Promise<SecretCredential>;
  /** All keys of a Secret, read at once. */
  secret(secret: NamedObject, signal: AbortSignal): Promise<SecretData>;
  /** A ServiceAccount's annotations, which name its cloud identity. */
  annotations(account: NamedObject, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
}

/** A token or a Secret's value, to be sent in a login. */
export interface SecretCredential {
  readonly value: SecretValue;
  /** Missing for Secrets. */
  readonly expiresAt?: EpochMs;
}
