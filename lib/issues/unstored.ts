import { SyncError } from "../errors.ts";
import type { SyncKey } from "../keys.ts";
import type { Issue } from "../ports/issues.ts";
import type { IssueTarget } from "../ports/vault-issues.ts";
import type { IssueDeps } from "./deps.ts";

/** Another node of Vault may know a certificate a little later: its word counts after as many refusals. */
const SURE_AFTER = 5;

/**
 * Whether this certificate can never be revoked, because Vault keeps none of its role (`no_store`). `error`: of its
 * revocation. Vault shows certificates that it has without a login.
 */
export async function isUnstored(
  { issues }: Pick<IssueDeps, "issues">,
  key: SyncKey,
  { certificate, tries = 0 }: Issue,
  { identity, namespace }: IssueTarget,
  error: SyncError,
  signal: AbortSignal,
): Promise<boolean> {
  if (certificate === undefined || identity === undefined || tries < SURE_AFTER) return false;
  if (error.code !== "VAULT_ANSWER_INVALID") return false;
  const { serial, mount } = certificate;
  const place = namespace === undefined ? {} : { namespace };
  try {
    await issues.ask(identity, { ...place, method: "GET", mount, path: `cert/${serial}` }, key, true, signal);
    return false;
  } catch (refused) {
    if (!(refused instanceof SyncError)) throw refused;
    return refused.code === "VAULT_PATH_MISSING";
  }
}
