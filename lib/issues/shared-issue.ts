import type { EpochMs } from "../clock.ts";
import type { Claim } from "../ports/claim.ts";
import type { Issue } from "../ports/issues.ts";
import type { VaultIdentity } from "../ports/vault.ts";
import type { VaultRequest } from "../ports/vault-issues.ts";
import type { Json } from "../util/json.ts";
import { wayOf } from "./ask-anew.ts";
import type { IssueDeps } from "./deps.ts";

/** Of a certificate that Vault keeps no lease for. */
export interface IssuedCertificate {
  readonly serial: string;
  readonly mount: string;
  /** For how long it is still valid. */
  readonly seconds: number;
}

/** How a new issue without a token of its own begins: the login in its target ends it. */
export async function issueByLogin(
  deps: Pick<IssueDeps, "leases">,
  about: { readonly claim: Claim; readonly identity: VaultIdentity; readonly request: VaultRequest },
  serial: string,
  now: EpochMs,
): Promise<Pick<Issue, "serial" | "sealedToken" | "shared" | "target" | "askBefore" | "tokenRenewable">> {
  const { claim, identity, request } = about;
  const way = { ...wayOf(identity, request), identity };
  const target = await deps.leases.putTarget(way as unknown as Json, claim.row.key);
  return { serial, sealedToken: "", shared: true, target, askBefore: now, tokenRenewable: false };
}
