import { z } from "zod";
import * as check from "./checks.ts";
import { flag, headers, optionalText, textList, textMap, vaultPath } from "./shared.ts";
import { appRole, aws, gcp, jwt, kubernetes, METHODS } from "./vault-auth-methods.ts";

/** Fields that a method block has here besides the method's own. */
const defaults = {
  namespace: vaultPath("Vault namespace for this method."),
  mount: vaultPath("Mount of this method."),
  params: textMap("Parameters for this method."),
  headers: headers("HTTP headers for this method."),
};

/** Settings that several VaultAuths share. */
export const vaultAuthGlobalSpec = z.object({
  allowedNamespaces: textList(
    "Kubernetes namespaces whose VaultAuths may refer to this one, besides its own. * is all.",
  ),
  vaultConnectionRef: z
    .string()
    .check(check.objectRef)
    .exactOptional()
    .describe("VaultConnection for VaultAuths that name none, resolved from their namespace."),
  defaultVaultNamespace: vaultPath("Vault namespace for VaultAuths that name none."),
  defaultAuthMethod: z.enum(METHODS).exactOptional().describe("Login method for VaultAuths that name none."),
  defaultMount: vaultPath("Mount for VaultAuths that name none."),
  params: textMap("Parameters for all methods."),
  headers: headers("HTTP headers for all methods."),
  kubernetes: kubernetes.extend(defaults).exactOptional(),
  jwt: jwt.extend(defaults).exactOptional(),
  appRole: appRole.extend(defaults).exactOptional(),
  aws: aws.extend(defaults).exactOptional(),
  gcp: gcp.extend(defaults).exactOptional(),
});

export type VaultAuthGlobalSpec = z.infer<typeof vaultAuthGlobalSpec>;

export const vaultAuthGlobalStatus = z.object({
  valid: flag("Whether it is usable."),
  error: optionalText("What is wrong."),
});
