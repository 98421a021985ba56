import { z } from "zod";
import {
  destination,
  durationText,
  flag,
  optionalText,
  requiredVaultPath,
  rolloutRestartTargets,
  text,
  textList,
  vaultAuthRef,
  vaultNamespace,
  vaultPath,
} from "./shared.ts";
import { conditions, lastGeneration, observedGeneration, secretMAC, unixSeconds } from "./status.ts";

/** Here a duration may also be in days. */
const TTL = /^([0-9]+(\.[0-9]+)?(s|m|h|d))$/;

/** A certificate that Vault issues. */
export const vaultPkiSecretSpec = z.object({
  vaultAuthRef,
  namespace: vaultNamespace,
  mount: requiredVaultPath("Mount of the PKI engine."),
  role: requiredVaultPath("Role to issue with."),
  issuerRef: vaultPath("Issuer. Empty: the role's."),
  revoke: flag("Revoke a certificate after its replacement, and when this resource is deleted."),
  clear: flag("Without destination.create: empty the Secret when this resource is deleted."),
  expiryOffset: durationText("How long before its expiry a certificate is replaced."),
  commonName: optionalText("Common name."),
  altNames: textList("DNS names and e-mail addresses."),
  ipSans: textList("IP addresses."),
  uriSans: textList("URIs."),
  otherSans: textList("Other names, as OID;UTF8:value."),
  userIDs: textList("User ids."),
  ttl: z
    .string()
    .regex(TTL, 'must be a number and one of s, m, h, d, such as "30d"')
    .exactOptional()
    .describe("TTL of the certificate."),
  notAfter: optionalText("Expiry of the certificate."),
  excludeCNFromSans: flag("Keep the common name out of the alternative names."),
  format: optionalText("Format of the certificate."),
  privateKeyFormat: optionalText("Format of the private key."),
  rolloutRestartTargets,
  destination,
});

export type VaultPkiSecretSpec = z.infer<typeof vaultPkiSecretSpec>;

export const vaultPkiSecretStatus = z.object({
  serialNumber: optionalText("Serial number of the certificate."),
  expiration: unixSeconds.exactOptional(),
  lastGeneration,
  lastRotation: unixSeconds,
  secretMAC,
  valid: z.boolean().describe("Whether a certificate could be issued."),
  error: text("What is wrong."),
  observedGeneration,
  conditions,
});
