import type { Issue } from "../../../lib/ports/issues.ts";
import { anIssue as issueOf } from "../../builders.ts";

export const START = Date.UTC(2030, 0, 1);

/** A credential in use, with a lease of ten minutes and a token of an hour, both renewable. */
export function anIssue(changed: Partial<Issue> = {}): Issue {
  return issueOf({ serial: "one", target: "target", askBefore: START - 60_000, ...changed });
}

export function aLease(changed: Partial<NonNullable<Issue["vaultLease"]>> = {}): NonNullable<Issue["vaultLease"]> {
  return { id: "database/creds/app/x", seconds: 600, renewable: true, issuedAt: START, ...changed };
}

/** Its token is all that Vault has of it. */
export function leaseless(changed: Partial<Issue> = {}): Issue {
  const { vaultLease: _lease, ...rest } = anIssue();
  return { ...rest, ...changed };
}
