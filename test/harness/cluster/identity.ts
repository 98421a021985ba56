import type { TestCa } from "../certificates.ts";
import { kubeconfig } from "./kubeconfig.ts";

/** Who a kubeconfig is for. */
export type IdentityOptions =
  | {
      readonly serviceAccount: {
        readonly namespace: string;
        readonly name: string;
        readonly expirationSeconds?: number;
      };
    }
  | { readonly user: string; readonly groups?: readonly string[] };

interface Issuers {
  readonly name: string;
  readonly url: string;
  readonly ca: TestCa;
  tokenFor(account: { namespace: string; name: string; expirationSeconds?: number }): Promise<string>;
}

export async function kubeconfigOf(identity: IdentityOptions, { name, url, ca, tokenFor }: Issuers): Promise<string> {
  const user =
    "user" in identity
      ? await ca.clientCert(identity.user, identity.groups)
      : { token: await tokenFor(identity.serviceAccount) };
  return kubeconfig(name, url, ca.pem, user);
}
