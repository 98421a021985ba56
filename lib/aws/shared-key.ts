import { GetParameterCommand, PutParameterCommand, type SSMClient } from "@aws-sdk/client-ssm";
import { SyncError } from "../errors.ts";
import { sealingKeys } from "../sealing-keys.ts";
import { awsError } from "./aws-errors.ts";

const BYTES = 32;
const TIMEOUT_MS = 10_000;

export interface SharedKeyOptions {
  readonly client: SSMClient;
  readonly parameter: string;
  /** Encrypts the parameter. */
  readonly kmsKey: string;
  readonly randomBytes: (count: number) => Buffer;
}

/** 32 bytes that all functions of this stack share: the first function that needs them creates them. */
export async function sharedKey(options: SharedKeyOptions): Promise<Buffer> {
  return bytesOf(options, await readOrMake(options));
}

function bytesOf({ parameter }: Pick<SharedKeyOptions, "parameter">, text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (bytes.length === BYTES) return bytes;
  throw new SyncError("STORE_INVALID", `parameter ${parameter} must hold ${BYTES} bytes in base64`);
}

/** The same for keys that seal: a former key may follow on a line of its own. */
export async function sharedSealingKeys(options: SharedKeyOptions): Promise<readonly Buffer[]> {
  const keys = sealingKeys(await readOrMake(options));
  if (keys !== undefined) return keys;
  throw new SyncError(
    "STORE_INVALID",
    `each line of parameter ${options.parameter} must hold ${BYTES} bytes in base64`,
  );
}

/** The key as it is; undefined when no function has needed it yet. Creates nothing. */
export async function existingKey(
  options: Pick<SharedKeyOptions, "client" | "parameter">,
): Promise<Buffer | undefined> {
  const text = await read(options);
  return text === undefined ? undefined : bytesOf(options, text);
}

async function readOrMake(options: SharedKeyOptions): Promise<string> {
  return (await read(options)) ?? (await make(options)) ?? (await read(options)) ?? "";
}

async function read({
  client,
  parameter,
}: Pick<SharedKeyOptions, "client" | "parameter">): Promise<string | undefined> {
  const command = new GetParameterCommand({ Name: parameter, WithDecryption: true });
  try {
    const { Parameter } = await client.send(command, { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    return Parameter?.Value;
  } catch (error) {
    if (error instanceof Error && error.name === "ParameterNotFound") return undefined;
    throw awsError(error, `parameter ${parameter}`, "ssm:GetParameter and kms:Decrypt");
  }
}

/** Undefined: another function was first. */
async function make(options: SharedKeyOptions): Promise<string | undefined> {
  const { client, parameter, kmsKey, randomBytes } = options;
  const Value = randomBytes(BYTES).toString("base64");
  const what = { Name: parameter, Value, Type: "SecureString", KeyId: kmsKey, Overwrite: false } as const;
  try {
    await client.send(new PutParameterCommand(what), { abortSignal: AbortSignal.timeout(TIMEOUT_MS) });
    return Value;
  } catch (error) {
    if (error instanceof Error && error.name === "ParameterAlreadyExists") return undefined;
    throw awsError(error, `parameter ${parameter}`, "ssm:PutParameter and kms:Encrypt");
  }
}
