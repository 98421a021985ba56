import { type EpochMs, SECOND_MS } from "../../clock.ts";
import type { IssuedData } from "../../ports/vault-issues.ts";

/** Strings of the public key before the serial number, by the type of a certificate. */
const KEY_PARTS: Readonly<Record<string, number>> = {
  "ssh-rsa-cert-v01@openssh.com": 2,
  "ssh-dss-cert-v01@openssh.com": 4,
  "ssh-ed25519-cert-v01@openssh.com": 1,
  "ecdsa-sha2-nistp256-cert-v01@openssh.com": 2,
  "ecdsa-sha2-nistp384-cert-v01@openssh.com": 2,
  "ecdsa-sha2-nistp521-cert-v01@openssh.com": 2,
};

/**
 * For how many seconds an SSH certificate in Vault's answer is valid: Vault keeps no lease for it. Undefined for other
 * answers, and for certificates without an end.
 */
export function sshLifetime({ fields }: Pick<IssuedData, "fields">, askedAt: EpochMs): number | undefined {
  const signed = fields.get("signed_key");
  if (typeof signed !== "string") return undefined;
  const [type = "", text = ""] = signed.trim().split(/\s+/);
  const parts = KEY_PARTS[type];
  if (parts === undefined) return undefined;
  const before = validBefore(Buffer.from(text, "base64"), parts);
  const seconds = before === undefined ? undefined : before - Math.floor(askedAt / SECOND_MS);
  return seconds === undefined || seconds <= 0 ? undefined : seconds;
}

/** The layout of OpenSSH's PROTOCOL.certkeys: strings with a length, then fixed numbers. */
function validBefore(bytes: Buffer, keyParts: number): number | undefined {
  try {
    let at = 0;
    const skipText = (): void => {
      at += 4 + bytes.readUInt32BE(at);
    };
    // Type, nonce, and the public key.
    for (let part = 0; part < 2 + keyParts; part++) skipText();
    // Serial and kind of certificate.
    at += 8 + 4;
    // Key id and principals.
    skipText();
    skipText();
    const before = bytes.readBigUInt64BE(at + 8);
    // All ones: for ever.
    return before > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(before);
  } catch {
    return undefined;
  }
}
