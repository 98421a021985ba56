import { trimSlashes } from "../declarations/identity.ts";
import type { Effect } from "./effect.ts";
import type { AuditLine } from "./line.ts";
import { isBelow, joined, parentOf } from "./paths.ts";

/** Effects of revocations that name leases in their path. Those of logins are tokens. */

const ANY_LEASE: Effect = { kind: "sweep", lease: true };

/** Tokens ended, of this login mount or of any. Vault ends each lease with its token, and no line names these. */
export function afterTokens(mount?: string): readonly Effect[] {
  return [{ kind: "tokens", ...(mount !== undefined && { mount }) }, ANY_LEASE];
}

/** A lease id: the path of its request, a random part, and the id of its namespace unless that is the root. */
export function afterLeaseId({ namespace, namespaceId }: AuditLine, id: string): readonly Effect[] {
  const asked = parentOf(id);
  if (asked === "") return [];
  if (isOfLogin(asked)) return afterTokens();
  const [, suffix = ""] = /\.([^./]+)$/.exec(id) ?? [];
  // Vault finds a lease by its id from any namespace; the line says only where the revocation was asked.
  if (suffix !== "" && suffix !== namespaceId) return [ANY_LEASE];
  return [{ kind: "path", path: suffix === "" ? asked : joined(namespace, asked), lease: true }];
}

/** A lease's random part, with or without a namespace. */
const LEASE_END = /\/[0-9A-Za-z]{24}(?:\.[^./]+)?$/;

/** All leases below a prefix, by whole segments, or the one lease with this id. */
export function afterLeasePrefix(line: AuditLine, text: string): readonly Effect[] {
  const prefix = trimSlashes(text);
  if (isOfLogin(prefix)) return afterTokens();
  const below: Effect = { kind: "prefix", prefix: joined(line.namespace, prefix), lease: true };
  return LEASE_END.test(prefix) ? [below, ...afterLeaseId(line, prefix)] : [below];
}

function isOfLogin(path: string): boolean {
  return path === "auth" || isBelow(path, "auth");
}

/** The lease that a revocation names. Undefined: the line is not of one, or hides its lease. */
export function revokedLease({ path }: Pick<AuditLine, "path">): string | undefined {
  return /^sys\/(?:leases\/)?revoke\/(.+)$/s.exec(path)?.[1];
}

/** A revocation, of a lease or a certificate, by the body. */
export function hidesWhat({ path, mount }: Pick<AuditLine, "path" | "mount">): boolean {
  return /^sys\/(?:leases\/)?revoke$/.test(path) || (mount?.type === "pki" && mount.below === "revoke");
}
