import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SecretData } from "../../secret-value.ts";
import { pemCertificates } from "../../util/pem.ts";
import { serialOf } from "./certificate.ts";

/** The certificate with this serial number in the Secret's data, under whatever key: in PEM, DER, or base64 of that. */
export function certificateIn(data: SecretData, serial: string): X509Certificate | undefined {
  for (const value of data.values()) {
    const found = encodedIn(value.reveal())
      .map(parsed)
      .find((one) => one !== undefined && serialOf(one) === serial);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** How a sequence of more than 255 bytes begins in DER, as each certificate does; and the same in base64. */
const DER = Buffer.of(0x30, 0x82);
const BASE64 = /^MII[A-Za-z0-9+/\s]*={0,2}$/;

/** What may be a certificate. */
function encodedIn(value: Buffer): readonly (string | Buffer)[] {
  if (value.subarray(0, DER.length).equals(DER)) return [value];
  const text = value.toString("latin1").trim();
  return BASE64.test(text) ? [Buffer.from(text, "base64")] : pemCertificates(text);
}

function parsed(encoded: string | Buffer): X509Certificate | undefined {
  try {
    return new X509Certificate(encoded);
  } catch {
    return undefined;
  }
}

const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/;

/** Whether the private key of this certificate is in the Secret's data, under whatever key. */
export function hasPrivateKey(data: SecretData, x509: X509Certificate): boolean {
  return [...data.values()].some((value) => {
    const [pem] = PRIVATE_KEY.exec(value.reveal().toString("latin1")) ?? [];
    return pem !== undefined && isKeyOf(pem, x509);
  });
}

function isKeyOf(pem: string, x509: X509Certificate): boolean {
  try {
    return x509.checkPrivateKey(createPrivateKey(pem));
  } catch {
    return false;
  }
}
