import { z } from "zod";
import {
  destination,
  refreshAfter,
  requiredVaultPath,
  rolloutRestartTargets,
  vaultAuthRef,
  vaultNamespace,
} from "./shared.ts";
import { conditions, lastGeneration, observedGeneration, secretMAC, vaultClientMeta } from "./status.ts";

/** A path of a kv engine, synced to a Secret. */
export const vaultStaticSecretSpec = z.object({
  vaultAuthRef,
  namespace: vaultNamespace,
  mount: requiredVaultPath("Mount of the kv engine."),
  path: requiredVaultPath("Path in the kv engine."),
  type: z.enum(["kv-v1", "kv-v2"]).describe("Version of the kv engine."),
  version: z.int().min(0).exactOptional().describe("Version of the secret, kv-v2 only. 0 is the latest."),
  refreshAfter,
  hmacSecretData: z
    .boolean()
    .default(true)
    .describe("Store a hash of the data in the status, to notice changes on either side."),
  rolloutRestartTargets,
  destination,
  syncConfig: z
    .object({
      instantUpdates: z.boolean().default(false).describe("Use Vault's events, besides reading it periodically."),
    })
    .exactOptional()
    .describe("How changes in Vault are noticed."),
});

export const vaultStaticSecretStatus = z.object({
  lastGeneration,
  secretMAC,
  vaultClientMeta,
  observedGeneration,
  conditions,
});
