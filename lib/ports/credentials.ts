import type { EpochMs } from "../clock.ts";
import type { SecretData, SecretValue } from "../secret-value.ts";
import type { NamedObject } from "./objects.ts";

/** A service account token or a Secret's key in one cluster; fetched when a login needs it. */
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
      /** Another one when the Secret changed; missing where that is not followed. */
      readonly version?: string;
    };

/** What a login proves itself with: something of a cluster, or the cloud identity of this very process (aws alone). */
export type LoginCredential = CredentialRef | { readonly kind: "process" };

/** Gives logins what they need from clusters. */
export interface CredentialSource {
  credential(ref: CredentialRef, signal: AbortSignal): Promise<SecretCredential>;
  /** All keys of a Secret, as they were at one time. */
  secret(secret: NamedObject, signal: AbortSignal): Promise<SecretData>;
  /** A ServiceAccount's annotations: they name the cloud identity that it is bound to. */
  annotations(account: NamedObject, signal: AbortSignal): Promise<Readonly<Record<string, string>>>;
}

export interface SecretCredential {
  readonly value: SecretValue;
  /** Missing for Secrets. */
  readonly expiresAt?: EpochMs;
}
