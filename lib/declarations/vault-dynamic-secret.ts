import { z } from "zod";
import {
  destination,
  flag,
  optionalText,
  refreshAfter,
  requiredVaultPath,
  rolloutRestartTargets,
  text,
  textMap,
  vaultAuthRef,
  vaultNamespace,
} from "./shared.ts";
import { conditions, lastGeneration, observedGeneration, secretMAC, unixSeconds, vaultClientMeta } from "./status.ts";

const DEFAULT_RENEWAL_PERCENT = 67;
const MAX_RENEWAL_PERCENT = 90;

/** Credentials that Vault creates, with a lease of their own. */
export const vaultDynamicSecretSpec = z.object({
  vaultAuthRef,
  namespace: vaultNamespace,
  mount: requiredVaultPath("Mount of the secrets engine."),
  path: requiredVaultPath("Path in the engine, such as creds/app."),
  requestHTTPMethod: z.enum(["GET", "POST", "PUT"]).exactOptional().describe("HTTP method of the request. Empty: GET."),
  params: textMap("Parameters of the request. If there are any, the method is PUT."),
  renewalPercent: z
    .int()
    .min(0)
    .max(MAX_RENEWAL_PERCENT)
    .default(DEFAULT_RENEWAL_PERCENT)
    .describe("Share of the Vault lease after which it is renewed, in percent."),
  revoke: flag("Revoke the Vault lease when this resource is deleted."),
  allowStaticCreds: flag("The path is a static role: sync its rotations."),
  refreshAfter,
  rolloutRestartTargets,
  destination,
});

export const vaultDynamicSecretStatus = z.object({
  lastRenewalTime: unixSeconds,
  lastGeneration,
  secretLease: z
    .object({
      id: text("Vault's id of the lease."),
      duration: z.int().describe("Duration in seconds."),
      renewable: z.boolean().describe("Whether Vault renews it."),
      requestID: text("Id of the request that created it."),
    })
    .describe("The Vault lease of the credentials."),
  staticCredsMetaData: z
    .object({
      lastVaultRotation: unixSeconds.exactOptional(),
      rotationPeriod: z.int().exactOptional().describe("Seconds between rotations."),
      rotationSchedule: optionalText("Rotations as a cron expression."),
      ttl: z.int().exactOptional().describe("Seconds to the next rotation."),
    })
    .exactOptional()
    .describe("Data of a static role in Vault."),
  lastRuntimePodUID: optionalText("UID of the pod that last reconciled it."),
  secretMAC,
  vaultClientMeta,
  observedGeneration,
  conditions,
});
