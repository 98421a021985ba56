import { z } from "zod";
import * as check from "./checks.ts";
import { durationText, headers, objectName, optionalText } from "./shared.ts";
import { conditions, observedGeneration } from "./status.ts";

/** Address of a Vault and settings of the connection. */
export const vaultConnectionSpec = z.object({
  address: z.string().check(check.address).describe("Base URL of Vault, such as https://vault.example.com:8200."),
  headers: headers("HTTP headers of every request. Do not set the Vault namespace here."),
  tlsServerName: optionalText("Name in Vault's certificate, if it differs from the address."),
  caCertSecretRef: objectName("Secret in this namespace that holds the CA certificates of Vault under ca.crt."),
  caCertPath: optionalText("File with CA certificates on an operator's disk."),
  skipTLSVerify: z.boolean().default(false).describe("Accept any certificate of Vault."),
  timeout: durationText("Time-out of one request, such as 30s."),
});

export type VaultConnectionSpec = z.infer<typeof vaultConnectionSpec>;

export const vaultConnectionStatus = z.object({
  valid: z.boolean().describe("Whether Vault could be reached."),
  observedGeneration,
  conditions,
});
