import { SECOND_MS } from "../../clock.ts";
import { countOf, timeIn } from "../../vso/take-over/last-status.ts";
import type { Left, LeftByVso } from "../issued/issuing-kind.ts";
import type { ForeseeInput } from "../kind.ts";
import { isSerial } from "./certificate.ts";
import { certificateIn, hasPrivateKey } from "./certificate-in.ts";
import { leftOutOf } from "./matches.ts";
import { renewAt } from "./renewal.ts";
import type { ResolvedPkiSecret } from "./resolve.ts";

/**
 * The certificate of a VaultPKISecret that VSO synced. The Secret itself proves it: it must hold that certificate and
 * its private key. Otherwise another one is issued, and the status tells which one is to be revoked then.
 */
export function leftCertificate(
  { resolved, clock, random }: ForeseeInput<ResolvedPkiSecret>,
  { status, data, isSameSpec }: LeftByVso,
): Left | undefined {
  const now = clock();
  const serial = typeof status.serialNumber === "string" ? status.serialNumber.toLowerCase() : "";
  if (!isSerial(serial)) return undefined;
  const { request, revoke, expiryOffsetMs, names } = resolved;
  const x509 = certificateIn(data, serial);
  const expiration = x509?.validToDate.getTime() ?? countOf(status.expiration) * SECOND_MS;
  const seconds = Math.ceil((expiration - now) / SECOND_MS);
  const certificate = revoke && seconds > 0 ? { certificate: { serial, mount: request.mount, seconds } } : {};
  const issuedAt = timeIn(status, "lastRotation", now) ?? x509?.validFromDate.getTime() ?? now;
  if (x509 === undefined || !hasPrivateKey(data, x509)) return { isPresent: false, issuedAt, ...certificate };
  // Names that the certificate of this very declaration lacks were left out by its role.
  const leftOut = isSameSpec ? leftOutOf(names, x509) : undefined;
  const made = {
    ...{ serial, expiration },
    ...(leftOut === undefined ? {} : { leftOut }),
  };
  const validity = { notBefore: x509.validFromDate.getTime(), expiration, issuedAt };
  return { isPresent: true, issuedAt, made, replaceAt: renewAt(validity, expiryOffsetMs, random()), ...certificate };
}
