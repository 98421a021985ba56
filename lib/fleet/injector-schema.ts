import { z } from "zod";
import { GO_DURATION, INJECTOR_DEFAULTS, MAX_ID, MAX_QUANTITY, QUANTITY } from "../injector-settings.ts";
import { baseUrl, problemCheck, proxyUrl } from "./checks.ts";

/** `injector` in fleet.yaml: what pods with Agent Injector annotations get if their annotations say nothing else. */

const text = z.string().min(1);

const duration = z
  .string()
  .max(MAX_QUANTITY)
  .regex(GO_DURATION, { message: "must be a duration of Go, such as 500ms or 1m30s" });

const quantity = z
  .string()
  .max(MAX_QUANTITY)
  .check(
    problemCheck((value) => (value === "" || QUANTITY.test(value) ? [] : ["must be a quantity, such as 250m or 64Mi"])),
  );

const image = text.regex(/^[\x21-\x7e]+$/, "must be an image, without spaces");
const id = z.int().min(0).max(MAX_ID);
const features = z.array(z.enum(["auto-auth", "caching", "templating"]));

function notSet(value: string | number | boolean | undefined): string {
  return value === undefined ? "Not set: none." : `Not set: ${value}.`;
}

const preset = INJECTOR_DEFAULTS;

/** The fields that describe what pods get. */
export const injectorFields = {
  vaultAddress: z
    .string()
    .check(baseUrl)
    .exactOptional()
    .describe("Vault's address as pods reach it. Not set: each pod must name it."),
  vaultCaCert: text.exactOptional().describe("CA certificates of Vault: PEM, or PEM in base64. Not set: the image's."),
  vaultNamespace: text.exactOptional().describe("Vault namespace. Not set: none."),
  authType: text.exactOptional().describe(`Method of the login. ${notSet(preset.authType)}`),
  authPath: text.exactOptional().describe(`Mount of the login. ${notSet(preset.authPath)}`),
  proxyAddress: z.string().check(proxyUrl).exactOptional().describe("HTTP proxy to Vault. Not set: none."),
  authMinBackoff: duration.exactOptional().describe("First pause after a failed login. Not set: the agent's own, 1s."),
  authMaxBackoff: duration
    .exactOptional()
    .describe("Longest pause after a failed login. Not set: the agent's own, 5m."),
  image: image.exactOptional().describe(`Image of the agent. ${notSet(preset.image)}`),
  binary: z
    .enum(["vault", "bao"])
    .exactOptional()
    .describe("Program in the image: bao for images of OpenBao. Not set: vault."),
  allowedImages: z
    .array(image)
    .exactOptional()
    .describe(
      "Images that pods may name. An entry that ends in :* or /* allows all that begin so. An entry with a digest pins the tag before it. Not set: any image.",
    ),
  nativeSidecar: z
    .boolean()
    .exactOptional()
    .describe("Run the sidecar as an init container that stays (Kubernetes 1.29 and later). Not set: false."),
  revokeOnShutdown: z
    .boolean()
    .exactOptional()
    .describe("Revoke the agent's token when the pod stops. Not set: false."),
  runAsUser: id.exactOptional().describe(`User id of the agent. ${notSet(preset.runAsUser)}`),
  runAsGroup: id.exactOptional().describe(`Group id of the agent. ${notSet(preset.runAsGroup)}`),
  runAsSameUser: z
    .boolean()
    .exactOptional()
    .describe("Run as the user of the first container that gets the files. Not set: false."),
  setSecurityContext: z
    .boolean()
    .exactOptional()
    .describe("Give the agent's containers a security context. Not set: true."),
  seccompProfile: z
    .literal("RuntimeDefault")
    .exactOptional()
    .describe("The seccomp profile of the agent's containers. Not set: none."),
  cpuRequest: quantity.exactOptional().describe(`CPU request; empty: none. ${notSet(preset.cpuRequest)}`),
  cpuLimit: quantity.exactOptional().describe(`CPU limit; empty: none. ${notSet(preset.cpuLimit)}`),
  memoryRequest: quantity.exactOptional().describe(`Memory request; empty: none. ${notSet(preset.memoryRequest)}`),
  memoryLimit: quantity.exactOptional().describe(`Memory limit; empty: none. ${notSet(preset.memoryLimit)}`),
  ephemeralStorageRequest: quantity.exactOptional().describe("Request of ephemeral storage. Not set: none."),
  ephemeralStorageLimit: quantity.exactOptional().describe("Limit of ephemeral storage. Not set: none."),
  defaultTemplate: z
    .enum(["map", "json"])
    .exactOptional()
    .describe("Default template: a line key: value for each field, or one JSON object. Not set: map."),
  exitOnRetryFailure: z
    .boolean()
    .exactOptional()
    .describe("End the agent when a template still fails after all retries. Not set: true."),
  staticSecretRenderInterval: duration
    .exactOptional()
    .describe("How often the agent reads secrets without a lease. Not set: the agent's own, 5m."),
  maxConnectionsPerHost: z
    .int()
    .min(0)
    .max(MAX_ID)
    .exactOptional()
    .describe("Connections of templates to Vault at the same time; 0: any number. Not set: 0."),
  leaseRenewalThreshold: z
    .number()
    .min(0)
    .max(1)
    .exactOptional()
    .describe(
      "Part of its life after which a lease that cannot be renewed is replaced. Not set: the agent's own, 0.90.",
    ),
  disableIdleConnections: features
    .exactOptional()
    .describe("Features of the agent that keep no idle connections. Not set: none."),
  disableKeepAlives: features
    .exactOptional()
    .describe("Features of the agent that use each connection once. Not set: none."),
};

const DESCRIPTION = "What pods with annotations of the Vault Agent Injector get.";

/** For the whole fleet. */
export const fleetInjector = z.strictObject(injectorFields).describe(DESCRIPTION);

/** For one cluster, or all clusters of a hub. */
export const clusterInjector = z
  .strictObject(injectorFields)
  .describe(`${DESCRIPTION} Each field comes before that of the fleet.`);
