import { createPrivateKey, X509Certificate } from "node:crypto";
import type { SecretData } from "../../secret-value.ts";
import { serialOf } from "./certificate.ts";

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/;

/** The certificate with this serial number in the Secret's data, under whatever key. */
export function certificateIn(data: SecretData, serial: string): X509Certificate | undefined {
  for (const value of data.values()) {
    const [pem] = PEM.exec(value.reveal().toString("utf8")) ?? [];
    const found = pem === undefined ? undefined : parsed(pem);
    if (found !== undefined && serialOf(found) === serial) return found;
  }
  return undefined;
}

function parsed(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
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
