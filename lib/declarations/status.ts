import { z } from "zod";

/** The content of the status subresource. For the CRDs only: we never parse a status, since we only read our own. */

const MAX_MESSAGE = 32_768;
const MAX_REASON = 1_024;
const MAX_TYPE = 316;

const REASON = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;
const CONDITION_TYPE =
  /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$/;

/** The condition of Kubernetes' own API conventions. */
const condition = z.object({
  type: z.string().max(MAX_TYPE).regex(CONDITION_TYPE).describe("Type of the condition."),
  status: z.enum(["True", "False", "Unknown"]).describe("Whether the condition holds."),
  reason: z.string().min(1).max(MAX_REASON).regex(REASON).describe("Reason, in one word."),
  message: z.string().max(MAX_MESSAGE).describe("Explanation for people."),
  lastTransitionTime: z.string().meta({ format: "date-time" }).describe("When the status last changed."),
  observedGeneration: z.int().min(0).exactOptional().describe("The generation that the condition describes."),
});

export const conditions = z.array(condition).exactOptional().describe("The state of this resource.");

export const unixSeconds = z.int().describe("Seconds since 1970.");

export const lastGeneration = z.int().describe("The generation that was last applied.");

/** The generation of a resource that was not observed yet, which makes tools like kstatus wait. */
export const UNOBSERVED = -1;

export const observedGeneration = z
  .int()
  .exactOptional()
  .describe("The generation that was last observed. -1: none yet.");

export const secretMAC = z.string().exactOptional().describe("Keyed hash of the Secret's data.");

export const vaultClientMeta = z
  .object({
    cacheKey: z.string().exactOptional().describe("Cache key of the Vault client."),
    id: z.string().exactOptional().describe("Hash of the accessor of the client's token."),
  })
  .exactOptional()
  .describe("The client that last sent requests to Vault for this resource.");
