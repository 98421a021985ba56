import { atRiskWarning } from "../../issues/at-risk.ts";
import { revokeReplacedProblem } from "../../issues/replaced.ts";
import type { Warning } from "../../origins/warnings.ts";
import type { Issue } from "../../ports/issues.ts";
import { incompleteTemplates } from "../shared/warnings.ts";
import type { IssuedState } from "./issued-state.ts";

/** An annotation that has no effect is told. */
export function annotationWarning(annotations: Readonly<Record<string, string>>): readonly Warning[] {
  const message = revokeReplacedProblem(annotations);
  return message === undefined
    ? []
    : [{ type: "RevokeReplaced", status: "False", reason: "InvalidAnnotation", message }];
}

/** It was taken over, and is replaced because its token is not known. */
export function plannedWarning({ planned, replaceAt: at }: IssuedState): readonly Warning[] {
  if (planned === undefined || at === undefined) return [];
  const message =
    `taken over from Vault Secrets Operator: another credential is issued at ${new Date(at).toISOString()}, because ` +
    `this one ends with the operator's token, and ${planned}`;
  return [{ type: "CredentialRenewed", status: "False", reason: "TakenOver", message }];
}

function renewedWarning(live: Issue | undefined, isDenied = false): readonly Warning[] {
  if (live?.atRisk !== undefined) return [atRiskWarning(live.atRisk)];
  if (!isDenied) return [];
  const message =
    "this login may not renew what it issues, so that each credential is replaced before its first lease ends: allow " +
    "update on auth/token/renew-self and sys/leases/renew, as the policy default does";
  return [{ type: "CredentialRenewed", status: "False", reason: "NotAllowed", message }];
}

/** Warnings about a credential that is in use. */
export function warningsOf(live: Issue | undefined, { missing = [], isDenied }: IssuedState): readonly Warning[] {
  const revocable: readonly Warning[] =
    live?.endBy === "none" && live.shared !== true
      ? [
          {
            type: "CredentialRevocable",
            status: "False",
            reason: "NotAllowed",
            message:
              "this login may not revoke its token or its leases (or gives batch tokens), so that a replaced or deleted " +
              "credential stays valid until its lease ends: allow auth/token/revoke-self (for a lease in another Vault " +
              "namespace: sys/leases/revoke/* there), and use service tokens",
          },
        ]
      : [];
  return [...incompleteTemplates(missing), ...revocable, ...renewedWarning(live, isDenied)];
}
