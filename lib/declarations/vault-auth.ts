import { z } from "zod";
import * as check from "./checks.ts";
import { flag, headers, optionalText, textList, textMap, vaultPath } from "./shared.ts";
import { conditions, observedGeneration } from "./status.ts";
import { appRole, aws, gcp, jwt, kubernetes, METHODS, storageEncryption } from "./vault-auth-methods.ts";

const strategy = z.enum(["union", "replace", "none"]).exactOptional();

const globalRef = z
  .object({
    name: z
      .string()
      .regex(/^([a-z0-9.-]{1,253})$/, { message: "must be a Kubernetes name", abort: true })
      .check(check.objectName)
      .exactOptional()
      .describe("Name of the VaultAuthGlobal."),
    namespace: z
      .string()
      .regex(/^([a-z0-9-]{1,63})$/, { message: "must be the name of a namespace", abort: true })
      .check(check.namespaceName)
      .exactOptional()
      .describe("Namespace of the VaultAuthGlobal. Empty: that of this VaultAuth."),
    mergeStrategy: z
      .object({
        headers: strategy.describe("How headers are merged."),
        params: strategy.describe("How parameters are merged."),
      })
      .exactOptional()
      .describe("How maps of both are merged. Not set: only this VaultAuth's are used."),
    allowDefault: flag("Without a name, use the VaultAuthGlobal named default."),
  })
  .describe("A VaultAuthGlobal for fields that are not set here.");

/** How to log in to Vault. */
export const vaultAuthSpec = z.object({
  vaultConnectionRef: z
    .string()
    .check(check.objectRef)
    .exactOptional()
    .describe('VaultConnection: "name" in this namespace or "namespace/name". Empty: the one named default.'),
  vaultAuthGlobalRef: globalRef.exactOptional(),
  namespace: vaultPath("Vault namespace of the login, and of reads that name none."),
  allowedNamespaces: textList(
    "Kubernetes namespaces whose resources may use this VaultAuth, besides its own. * is all.",
  ),
  method: z.enum(METHODS).exactOptional().describe("Login method."),
  mount: vaultPath("Mount of the login method in Vault."),
  params: textMap("Parameters of the login."),
  headers: headers("HTTP headers of the login."),
  kubernetes: kubernetes.exactOptional(),
  jwt: jwt.exactOptional(),
  appRole: appRole.exactOptional(),
  aws: aws.exactOptional(),
  gcp: gcp.exactOptional(),
  storageEncryption: storageEncryption.exactOptional(),
});

export type VaultAuthSpec = z.infer<typeof vaultAuthSpec>;

export const vaultAuthStatus = z.object({
  valid: flag("Whether everything that it refers to exists."),
  error: optionalText("What is wrong."),
  specHash: optionalText("Hash of the spec, merged with the VaultAuthGlobal's."),
  observedGeneration,
  conditions,
});
