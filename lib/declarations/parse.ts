import type { z } from "zod";
import { type ErrorCode, SyncError, type SyncErrorOptions } from "../errors.ts";
import { type Complaint, complaintLines, complaintsOf } from "../util/complaints.ts";
import { secretTransformationSpec } from "./secret-transformation.ts";
import { vaultAuthSpec } from "./vault-auth.ts";
import { vaultAuthGlobalSpec } from "./vault-auth-global.ts";
import { vaultConnectionSpec } from "./vault-connection.ts";
import { vaultDynamicSecretSpec } from "./vault-dynamic-secret.ts";
import { vaultPkiSecretSpec } from "./vault-pki-secret.ts";
import { vaultStaticSecretSpec } from "./vault-static-secret.ts";

/** The schema of each kind's spec, for parsing and for the CRD. */
export const SPECS = {
  VaultConnection: vaultConnectionSpec,
  VaultAuth: vaultAuthSpec,
  VaultAuthGlobal: vaultAuthGlobalSpec,
  VaultStaticSecret: vaultStaticSecretSpec,
  VaultDynamicSecret: vaultDynamicSecretSpec,
  VaultPKISecret: vaultPkiSecretSpec,
  SecretTransformation: secretTransformationSpec,
} as const;

export type DeclaredKind = keyof typeof SPECS;
export type SpecOf<K extends DeclaredKind> = z.infer<(typeof SPECS)[K]>;

export type Parsed<T> = { readonly spec: T } | { readonly complaints: readonly Complaint[] };

/** Deeper than any resource; the API server's limit is far lower. */
const MAX_DEPTH = 200;

/** Treats null as unset, as the API server's clients do. Undefined when the value nests too deep. */
export function withoutNulls(value: unknown, depth = 0): unknown {
  if (depth > MAX_DEPTH) return undefined;
  if (Array.isArray(value)) return value.map((item) => withoutNulls(item, depth + 1));
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, item]) => item !== null);
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutNulls(item, depth + 1)]));
}

/** The typed spec with defaults, or all its complaints. Ignores unknown fields. */
export function parseSpec<K extends DeclaredKind>(kind: K, spec: unknown): Parsed<SpecOf<K>> {
  const input = withoutNulls(spec);
  const result = SPECS[kind].safeParse(input);
  if (result.success) return { spec: result.data as SpecOf<K> };
  return { complaints: complaintsOf(result.error, input) };
}

/** One error for all complaints: `spec.mount: required; spec.destination.name: …`. */
export function complaintsError(
  code: ErrorCode,
  subject: string,
  complaints: readonly Complaint[],
  { root = ["spec"], options }: { readonly root?: readonly PropertyKey[]; readonly options?: SyncErrorOptions } = {},
): SyncError {
  return new SyncError(code, `${subject} is not valid: ${complaintLines(complaints, root).join("; ")}`, options);
}

/** As parseSpec, for a declaration: throws SPEC_INVALID. */
export function mustParseSpec<K extends DeclaredKind>(kind: K, spec: unknown): SpecOf<K> {
  const parsed = parseSpec(kind, spec);
  if ("complaints" in parsed) throw complaintsError("SPEC_INVALID", kind, parsed.complaints);
  return parsed.spec;
}
