// The next one registers its parts by it.
import "reflect-metadata";
import type { webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import type { EpochMs } from "../clock.ts";
import { AUTHORITY_LIFE_MS, type Authority, BACK_DATED_MS, LEAF_LIFE_MS } from "./authority-times.ts";

/** Makes the certificates of the webhook's own CA. Loaded only where there is one. */

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };

/** A certificate with its private key, both PEM, and its time. */
export type KeyPair = Authority;

/** A new CA. */
export async function newAuthority(now: EpochMs): Promise<Authority> {
  const keys = await newKeys();
  const times = timesFrom(now, AUTHORITY_LIFE_MS);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    // The time is part of the name: two CAs of one name confuse those that verify.
    name: [{ CN: [`keyferry injector ${new Date(now).toISOString()}`] }],
    keys,
    ...dates(times),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return { cert: certificate.toString("pem"), key: await privatePem(keys.privateKey), ...times };
}

/** A certificate of a server with these names and IP addresses; it ends before its CA does. */
export async function serverCertificate(
  authority: Authority,
  hosts: readonly string[],
  now: EpochMs,
): Promise<KeyPair> {
  const keys = await newKeys();
  const { notBefore, notAfter } = timesFrom(now, LEAF_LIFE_MS);
  const times = {
    notBefore: Math.max(notBefore, authority.notBefore),
    notAfter: Math.min(notAfter, authority.notAfter),
  };
  const certificate = await X509CertificateGenerator.create({
    subject: [{ CN: ["keyferry injector"] }],
    issuer: new X509Certificate(authority.cert).subject,
    ...dates(times),
    publicKey: keys.publicKey,
    signingKey: await signingKey(authority.key),
    signingAlgorithm: ALGORITHM,
    extensions: [
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const), value })),
      ),
    ],
  });
  return { cert: certificate.toString("pem"), key: await privatePem(keys.privateKey), ...times };
}

/** X.509 has whole seconds. */
function timesFrom(now: EpochMs, lifeMs: number): Pick<Authority, "notBefore" | "notAfter"> {
  const second = Math.floor(now / 1_000) * 1_000;
  return { notBefore: second - BACK_DATED_MS, notAfter: second + lifeMs };
}

function dates({ notBefore, notAfter }: Pick<Authority, "notBefore" | "notAfter">) {
  return { notBefore: new Date(notBefore), notAfter: new Date(notAfter) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function signingKey(pem: string): Promise<webcrypto.CryptoKey> {
  return crypto.subtle.importKey("pkcs8", PemConverter.decodeFirst(pem), ALGORITHM, false, ["sign"]);
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}
