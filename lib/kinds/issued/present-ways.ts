import { SyncError } from "../../errors.ts";
import { wayOf } from "../../issues/ask-anew.ts";
import type { Issue } from "../../ports/issues.ts";
import type { VaultIdentity, VaultTarget } from "../../ports/vault.ts";
import type { IssueTarget } from "../../ports/vault-issues.ts";
import { sameJson } from "../../util/canonical.ts";
import type { Json, JsonObject } from "../../util/json.ts";
import type { ObtainInput } from "../kind.ts";
import { issuedState } from "./issued-state.ts";
import type { ResolvedIssued } from "./issuing-kind.ts";
import { loginOf, requestNow, requestOf } from "./request-of.ts";

/**
 * Renewals, looks and ends go the way that is stored. While the declaration still names that Vault, its present CA, server
 * name and headers count: those of the day of the issue are of no use once Vault's certificate, or the gateway in front
 * of it, was replaced.
 */
export async function presentWays(run: ObtainInput<ResolvedIssued>): Promise<void> {
  const { claim, deps } = run;
  const { issues = [] } = claim.row.state;
  const present = issues.length === 0 ? undefined : await reachedNow(run);
  if (present === undefined) return;
  const targets = new Map<string, string>();
  for (const issue of issues) {
    const way = (await deps.leases.target(issue.target)) as unknown as IssueTarget | undefined;
    const next = way && wayNow(way, present, isOfPresentLogin(run, issue));
    if (next === undefined) continue;
    await claim.takeToWrite();
    targets.set(issue.serial, await deps.leases.putTarget(next as unknown as Json, claim.row.key));
  }
  if (targets.size === 0) return;
  // As they are since the claim.
  const known = claim.row.state.issues ?? [];
  claim.note({ issues: known.map((issue) => ({ ...issue, target: targets.get(issue.serial) ?? issue.target })) });
}

/** Undefined: the CA can't be read now. What is in use is kept the way that it was. */
async function reachedNow({ reached, resolved }: ObtainInput<ResolvedIssued>): Promise<VaultIdentity | undefined> {
  try {
    return await reached(resolved.asks.identity);
  } catch (error) {
    if (error instanceof SyncError) return undefined;
    throw error;
  }
}

/**
 * What is in use was asked for by the login that the declaration has now. Beside an answer that was not written the row
 * knows the login of that one.
 */
function isOfPresentLogin({ claim, resolved }: ObtainInput<ResolvedIssued>, { state }: Issue): boolean {
  const { request } = issuedState(claim.row.state);
  if (claim.row.state.issues?.some((other) => other.state === "got")) return false;
  return state === "live" && request !== undefined && requestNow(request, resolved) === requestOf(resolved);
}

/**
 * Undefined: it stays as it is. A token of another login goes only where its own VaultConnection says: that of the
 * declaration may now be somebody else's.
 */
function wayNow(way: IssueTarget, present: VaultIdentity, isPresentLogin: boolean): IssueTarget | undefined {
  const { target, loginNamespace = "", identity } = way;
  const { target: settings } = wayOf(present, {});
  if (target.address !== settings.address || loginNamespace !== (present.namespace ?? "")) return undefined;
  if (sameJson(trustOf(target), trustOf(settings))) return undefined;
  if (identity !== undefined) {
    return sameJson(loginOf(identity), loginOf(present)) ? { ...way, target: settings, identity: present } : undefined;
  }
  return isPresentLogin || target.connection === settings.connection ? { ...way, target: settings } : undefined;
}

/** What may change of the way to one Vault. */
function trustOf({ headers, tlsServerName, caPem, skipTlsVerify, timeoutMs }: VaultTarget): JsonObject {
  return { headers, tlsServerName, caPem, skipTlsVerify, timeoutMs } as unknown as JsonObject;
}
