import type { TestCa } from "../certificates.ts";
import type { KubeconfigUser } from "./kubeconfig.ts";

/** Who acts: a service account by a token, or a user with groups by a certificate. */
export type IdentityOptions =
  | { readonly serviceAccount: ServiceAccountOptions }
  | { readonly user: string; readonly groups?: readonly string[] };

export interface ServiceAccountOptions {
  readonly namespace: string;
  readonly name: string;
  /** The API server's own audience when not given. */
  readonly audiences?: readonly string[];
  /** 3,600 when not given, at least 600. */
  readonly expirationSeconds?: number;
}

/** What such an identity proves itself with. */
export const userOf = async (
  identity: IdentityOptions,
  ca: TestCa,
  tokenFor: (account: ServiceAccountOptions) => Promise<string>,
): Promise<KubeconfigUser> =>
  "user" in identity
    ? ca.clientCert(identity.user, identity.groups)
    : { token: await tokenFor(identity.serviceAccount) };
