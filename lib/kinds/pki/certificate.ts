import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { EpochMs } from "../../clock.ts";
import { SyncError } from "../../errors.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";
import { SecretValue } from "../../secret-value.ts";
import type { LosslessValue } from "../../util/lossless.ts";
import { printable } from "../../util/printable.ts";
import { isUsable, lifetimeOf, offsetOf, type Validity } from "./renewal.ts";

/** What Vault's answer holds, in any of its formats. */
export interface IssuedCertificate {
  readonly x509: X509Certificate;
  /** As Vault writes it: `04:9c:e5`. */
  readonly serial: string;
  readonly notBefore: EpochMs;
  readonly expiration: EpochMs;
  readonly pem: string;
  readonly privateKeyPem: SecretValue;
  /** PEM certificates of Vault's `ca_chain`, the issuing one first; without the root. */
  readonly chain: readonly string[];
  /** PEM of the issuing CA. */
  readonly issuer?: string;
}

type Answer = Pick<IssuedData, "fields">;

const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/**
 * The certificate and its private key of an answer in the format pem, der or pem_bundle. `place`: the request's, for
 * messages. Throws VAULT_CERTIFICATE_UNUSABLE.
 */
export function certificateOf({ fields }: Answer, place: string): IssuedCertificate {
  const [pem] = pemsOf(fields.get("certificate"));
  if (pem === undefined) throw unusable(place, "has no certificate", "check the mount and the role");
  const x509 = parsed(pem, place);
  const serial = serialOf(x509);
  if (serial !== textOf(fields.get("serial_number")).toLowerCase()) {
    throw unusable(place, "has another serial number than its certificate", "check what answers at that path");
  }
  const privateKeyPem = privateKeyOf(textOf(fields.get("private_key")), x509, place);
  const [issuer] = pemsOf(fields.get("issuing_ca"));
  return {
    x509,
    serial,
    notBefore: x509.validFromDate.getTime(),
    expiration: x509.validToDate.getTime(),
    pem,
    privateKeyPem,
    chain: listOf(fields.get("ca_chain")).flatMap(pemsOf),
    ...(issuer === undefined ? {} : { issuer }),
  };
}

/** Its serial number as Vault writes it. */
export function serialOf({ serialNumber }: X509Certificate): string {
  return serialNumber.toLowerCase().replace(/(..)(?!$)/g, "$1:");
}

/** As Vault writes one. */
export function isSerial(text: string): boolean {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){0,40}$/.test(text);
}

/**
 * Refuses a certificate that would have to be replaced as soon as it is used, and one that outlives the CA that issued
 * it. Other CAs of its chain may end before it: one that is cross-signed ends with the old root, and clients go by the
 * new one. Throws VAULT_CERTIFICATE_UNUSABLE.
 */
export function mustBeUsable(
  issued: IssuedCertificate,
  about: { readonly place: string; readonly declaredOffsetMs?: number | undefined; readonly now: EpochMs },
): void {
  const { place, declaredOffsetMs, now } = about;
  // All have to be readable: what is written must work.
  for (const pem of issued.chain) parsed(pem, place);
  if (issued.issuer !== undefined) mustOutlive(parsed(issued.issuer, place), issued, place);
  const validity: Validity = { ...issued, issuedAt: now };
  if (isUsable(validity, declaredOffsetMs, now)) return;
  throw unusable(
    place,
    `holds a certificate that ${tooShort(validity, declaredOffsetMs)}`,
    "lower expiryOffset, or raise spec.ttl or the role's max_ttl",
  );
}

/** The same for one in use, after an edit: another one of its life could not be used either. */
export function inUseUnusable(validity: Validity, declaredOffsetMs: number | undefined): SyncError | undefined {
  if (isUsable(validity, declaredOffsetMs, validity.notBefore)) return undefined;
  const message =
    `the certificate in use ${tooShort(validity, declaredOffsetMs)}, and another one would last no longer: lower ` +
    "expiryOffset, or raise spec.ttl; or raise the role's max_ttl, and set the annotation keyferry.dev/refresh";
  return new SyncError("VAULT_CERTIFICATE_UNUSABLE", message);
}

function tooShort(validity: Validity, declaredOffsetMs: number | undefined): string {
  const left = seconds(lifetimeOf(validity));
  const offset = seconds(offsetOf(validity, declaredOffsetMs));
  const which = declaredOffsetMs ? "spec.expiryOffset" : "a third of its lifetime, without spec.expiryOffset";
  return `is valid for ${left} s only, and due for replacement ${offset} s before its end (${which})`;
}

function mustOutlive(ca: X509Certificate, { expiration }: IssuedCertificate, place: string): void {
  const end = ca.validToDate.getTime();
  if (end >= expiration) return;
  const name = printable(ca.subject ?? "without a name", MAX_NAME);
  throw unusable(
    place,
    `holds a certificate until ${timeOf(expiration)}, but the CA ${JSON.stringify(name)} ends at ${timeOf(end)}`,
    "renew that CA, or lower spec.ttl or spec.notAfter",
  );
}

const MAX_NAME = 200;

/** Without fractions: 2026-11-29T01:02:03Z. */
function timeOf(at: EpochMs): string {
  return Number.isNaN(at) ? "an unknown time" : new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}

function textOf(value: LosslessValue | undefined): string {
  return typeof value === "string" ? value : "";
}

function listOf(value: LosslessValue | undefined): readonly LosslessValue[] {
  return Array.isArray(value) ? value : [];
}

/** The certificates of a text, which is PEM, or DER in base64. A bundle's private key is left out. */
function pemsOf(value: LosslessValue | undefined): readonly string[] {
  const text = textOf(value);
  if (text.includes("-----BEGIN ")) return text.match(PEM_CERTIFICATE) ?? [];
  if (text === "") return [];
  const lines = text.replace(/\s/g, "").match(/.{1,64}/g) ?? [];
  return [["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----"].join("\n")];
}

/** Node's errors may quote the input, so none is passed on. */
function parsed(pem: string, place: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw unusable(place, "holds a certificate that can't be read", "check what answers at that path");
  }
}

function privateKeyOf(text: string, x509: X509Certificate, place: string): SecretValue {
  if (text === "") throw unusable(place, "has no private key", "name a role that issues, and does not only sign");
  const isPem = text.includes("-----BEGIN ");
  const key = isPem ? keyOf(() => createPrivateKey(text)) : derKey(Buffer.from(text, "base64"));
  if (key === undefined) {
    throw unusable(place, "holds a private key that can't be read", "name a role with key_type rsa, ec or ed25519");
  }
  if (!x509.checkPrivateKey(key.object)) {
    throw unusable(place, "holds a private key of another certificate", "check what answers at that path");
  }
  return SecretValue.of(isPem ? text.trim() : pemOf(key));
}

interface PrivateKey {
  readonly object: KeyObject;
  readonly isPkcs8: boolean;
}

function keyOf(read: () => KeyObject, isPkcs8 = false): PrivateKey | undefined {
  try {
    return { object: read(), isPkcs8 };
  } catch {
    return undefined;
  }
}

function derKey(key: Buffer): PrivateKey | undefined {
  return (
    keyOf(() => createPrivateKey({ key, format: "der", type: "pkcs8" }), true) ??
    // The key's own encoding: Node reads SEC1 and PKCS #1 by either name.
    keyOf(() => createPrivateKey({ key, format: "der", type: "sec1" }))
  );
}

/** In the encoding that Vault chose: PKCS #8, or that of the key's type. */
function pemOf({ object, isPkcs8 }: PrivateKey): string {
  const own = object.asymmetricKeyType === "ec" ? "sec1" : "pkcs1";
  return String(object.export({ format: "pem", type: isPkcs8 ? "pkcs8" : own })).trim();
}

function unusable(place: string, what: string, remedy: string): SyncError {
  return new SyncError("VAULT_CERTIFICATE_UNUSABLE", `Vault's answer to ${place} ${what}: ${remedy}`);
}
