import type { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { SSMClient } from "@aws-sdk/client-ssm";
import { type Clock, MINUTE_MS } from "../clock.ts";
import { SyncError } from "../errors.ts";
import type { PostInlet } from "../ports/vault-events.ts";
import { awsError } from "./aws-errors.ts";
import { kept } from "./kept.ts";

/** A changed key counts after so long. Until then its sender uses the former one, which stays valid. */
const KEPT_MS = MINUTE_MS;
const TIMEOUT_MS = 5_000;

/** The texts with the keys of a Vault's signatures: of a parameter, or of the versions of a secret. */
export type PostKeyTexts = (inlet: PostInlet) => Promise<readonly string[]>;

export interface PostKeyOptions {
  /** Each client is loaded for the first request that needs it. */
  readonly parameters: () => Promise<Pick<SSMClient, "send">>;
  readonly secrets: () => Promise<Pick<SecretsManagerClient, "send">>;
  readonly clock: Clock;
}

/** Reads keys from AWS, and keeps them for a minute. */
export function postKeyTexts({ parameters, secrets, clock }: PostKeyOptions): PostKeyTexts {
  const keptTexts = kept<readonly string[]>(clock);
  return ({ parameter, keySecretArn }) => {
    const fetch = () =>
      parameter === undefined ? secretTexts(secrets, keySecretArn ?? "") : parameterTexts(parameters, parameter);
    return keptTexts(parameter ?? keySecretArn ?? "", async () => ({
      value: await fetch(),
      until: clock() + KEPT_MS,
    }));
  };
}

async function parameterTexts(client: PostKeyOptions["parameters"], Name: string): Promise<readonly string[]> {
  const [{ GetParameterCommand }, ssm] = await Promise.all([import("@aws-sdk/client-ssm"), client()]);
  const command = new GetParameterCommand({ Name, WithDecryption: true });
  try {
    const { Parameter } = await ssm.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    return [Parameter?.Value ?? ""];
  } catch (error) {
    if (isNamed(error, "ParameterNotFound")) throw missing(`parameter ${Name}`);
    throw awsError(error, `parameter ${Name}`, "ssm:GetParameter, and kms:Decrypt on its key");
  }
}

/** The current version, and the one before while it is rotated. */
async function secretTexts(client: PostKeyOptions["secrets"], SecretId: string): Promise<readonly string[]> {
  const [{ GetSecretValueCommand }, manager] = await Promise.all([import("@aws-sdk/client-secrets-manager"), client()]);
  const read = async (VersionStage: string): Promise<string | undefined> => {
    const command = new GetSecretValueCommand({ SecretId, VersionStage });
    try {
      return (await manager.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) })).SecretString ?? "";
    } catch (error) {
      if (isNamed(error, "ResourceNotFoundException")) return undefined;
      throw awsError(error, `secret ${SecretId}`, "secretsmanager:GetSecretValue, and kms:Decrypt on its key");
    }
  };
  const [current, previous] = await Promise.all([read("AWSCURRENT"), read("AWSPREVIOUS")]);
  if (current === undefined) throw missing(`secret ${SecretId}`);
  return previous === undefined ? [current] : [current, previous];
}

function missing(thing: string): SyncError {
  return new SyncError("STORE_MISSING", `there is no ${thing}: create it, or name another one in fleet.yaml`);
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
