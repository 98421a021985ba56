import { X509Certificate } from "node:crypto";
import { isLosslessNumber } from "lossless-json";
import { fingerprint } from "../../digest.ts";
import { SyncError } from "../../errors.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import type { LosslessValue } from "../../util/lossless.ts";
import type { ObtainInput } from "../kind.ts";
import type { IssuedCertificate } from "./certificate.ts";
import type { ResolvedPkiSecret } from "./resolve.ts";

/** What Vault tells of a certificate that it issued, without any right. */
export interface LookedAt {
  readonly isRevoked: boolean;
  /** Of the issuer that would sign the next one. Undefined: Vault does not tell. */
  readonly chain: string | undefined;
}

/** Asks about a certificate after an event in its mount. Throws outages. */
export async function lookAt(run: ObtainInput<ResolvedPkiSecret>, serial: string): Promise<LookedAt> {
  const found = await told(run, `cert/${serial}`);
  const { path } = run.resolved.request;
  const [, issuer = "default"] = /^issuer\/([^/]+)\//.exec(path) ?? [];
  const signer = await told(run, `issuer/${issuer}/json`);
  return { isRevoked: isPositive(found?.fields.get("revocation_time")), chain: signer && chainIn(signer) };
}

/** Undefined: it is not stored, or this Vault has no such path. */
async function told(
  { deps, claim, resolved, reached, signal }: ObtainInput<ResolvedPkiSecret>,
  path: string,
): Promise<IssuedData | undefined> {
  const { mount, namespace } = resolved.request;
  const request = { method: "GET", mount, path, ...(namespace === undefined ? {} : { namespace }) } as const;
  try {
    return await deps.issues.ask(await reached(resolved.asks.identity), request, claim.row.key, true, signal);
  } catch (error) {
    if (error instanceof SyncError && UNTOLD.has(error.code)) return undefined;
    throw error;
  }
}

const UNTOLD: ReadonlySet<string> = new Set([
  "VAULT_PATH_MISSING",
  "VAULT_DENIED",
  "VAULT_ANSWER_INVALID",
  "VAULT_FAILED",
]);

function isPositive(value: LosslessValue | undefined): boolean {
  return isLosslessNumber(value) && Number(value.value) > 0;
}

/** Equal for certificates of one issuer, as long as nothing between it and its root changed. */
export function chainOf({ issuer, chain }: Pick<IssuedCertificate, "issuer" | "chain">): string | undefined {
  return issuer === undefined ? undefined : chainId(issuer, chain);
}

/** The same, as Vault tells it of an issuer. */
export function chainIn({ fields }: Pick<IssuedData, "fields">): string | undefined {
  const [certificate, chain] = [fields.get("certificate"), fields.get("ca_chain")];
  const pems = Array.isArray(chain) ? chain.filter((pem) => typeof pem === "string") : [];
  return typeof certificate === "string" ? chainId(certificate, pems) : undefined;
}

/** Without roots, which answers have or not. */
function chainId(issuer: string, chain: readonly string[]): string | undefined {
  const signer = parsed(issuer);
  if (signer === undefined) return undefined;
  const between = chain.map(parsed).filter((one) => one !== undefined && one.issuer !== one.subject);
  const others = between.map((one) => one?.fingerprint256 ?? "").filter((print) => print !== signer.fingerprint256);
  return fingerprint(signer.fingerprint256, ...others);
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}
