import { z } from "zod";
import { objectName, optionalText, text, textList } from "./shared.ts";

/** The login methods of VaultAuth and VaultAuthGlobal. Required fields are checked on use. */
export const METHODS = ["kubernetes", "jwt", "appRole", "aws", "gcp"] as const;

const MIN_TOKEN_SECONDS = 600;

const role = optionalText("Role in Vault to log in as.");
const audiences = textList("Audiences of the service account's token.");
const serviceAccount = objectName("ServiceAccount, in the namespace of the resource that syncs.");
const tokenExpirationSeconds = z
  .int()
  .min(MIN_TOKEN_SECONDS)
  .default(MIN_TOKEN_SECONDS)
  .describe("TTL of the service account's token, in seconds.");

export const kubernetes = z
  .object({ role, serviceAccount, audiences, tokenExpirationSeconds })
  .describe("Login with a service account's token. Vault asks the cluster to review it.");

export const jwt = z
  .object({
    role,
    secretRef: objectName("Secret, in the namespace of the resource that syncs, that holds the token under jwt."),
    serviceAccount,
    audiences,
    tokenExpirationSeconds,
  })
  .describe("Login with a signed token of a service account or from a Secret.");

export const appRole = z
  .object({
    roleId: optionalText("The role's id."),
    secretIDPath: optionalText("File with the secret id on an operator's disk."),
    secretRef: objectName("Secret, in the namespace of the resource that syncs, that holds the secret id under id."),
  })
  .describe("Login with a role id and a secret id.");

export const aws = z
  .object({
    role,
    region: optionalText("Region of the token service."),
    headerValue: optionalText("Value of the header that Vault's mount requires."),
    sessionName: optionalText("Name of the role session."),
    stsEndpoint: optionalText("URL of the token service."),
    iamEndpoint: optionalText("URL of IAM."),
    secretRef: objectName("Secret with access_key_id, secret_access_key and, if there is one, session_token."),
    irsaServiceAccount: objectName("ServiceAccount with an IAM role."),
  })
  .describe("Login with an AWS identity.");

export const gcp = z
  .object({
    role,
    workloadIdentityServiceAccount: objectName("ServiceAccount with a Google service account."),
    region: optionalText("Region of the cluster."),
    clusterName: optionalText("Name of the cluster."),
    projectID: optionalText("Project of the cluster."),
  })
  .describe("Login with a Google Cloud identity.");

export const storageEncryption = z
  .object({
    mount: text("Mount of the transit engine."),
    keyName: text("Name of the key."),
  })
  .describe("Key that an operator uses to encrypt its cached tokens.");
