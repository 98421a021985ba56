import type { Stack as Description } from "@aws-sdk/client-cloudformation";
import { type Clock, SECOND_MS } from "../lib/clock.ts";
import { InputError, SyncError } from "../lib/errors.ts";
import type { WorkQueue } from "../lib/ports/queue.ts";
import type { LeaseStore } from "../lib/ports/store.ts";

/** A deployed keyferry, seen from outside. */
export interface Stack {
  readonly leases: LeaseStore;
  readonly queue: WorkQueue;
}

/** Time-outs in ms: to open a connection, and for each request. */
export const requestHandler = {
  connectionTimeout: 5 * SECOND_MS,
  requestTimeout: 10 * SECOND_MS,
  throwOnRequestTimeout: true,
};

/** What CloudFormation says about a stack of keyferry. */
export interface StackFacts {
  /** CloudFormation's id of the stack, which also names its parameters. */
  readonly id: string;
  readonly outputs: Readonly<Record<(typeof NEEDED)[number], string>>;
}

/** Opens the stack of this name in the account and region of the environment or profile. */
export async function openStack(name: string, clock: Clock): Promise<Stack> {
  const { outputs } = await stackFacts(name);
  // Loaded only here, so that commands on one machine don't wait for AWS's clients.
  const [{ dynamoLeaseStore }, { dynamoClient }, { sqsWorkQueue }, { SQSClient }] = await Promise.all([
    import("../lib/store/dynamodb/dynamodb-store.ts"),
    import("../lib/store/dynamodb/client.ts"),
    import("../lib/aws/work-queue.ts"),
    import("@aws-sdk/client-sqs"),
  ]);
  const urls = { renew: outputs.RenewQueueUrl, now: outputs.NowQueueUrl, refresh: outputs.RefreshQueueUrl };
  return {
    leases: dynamoLeaseStore({ client: dynamoClient(), table: outputs.LeaseTableName, asGuest: true }),
    queue: sqsWorkQueue({ client: new SQSClient({ requestHandler }), urls, clock }),
  };
}

const NEEDED = [
  "LeaseTableName",
  "RenewQueueUrl",
  "NowQueueUrl",
  "RefreshQueueUrl",
  "FleetLocation",
  "Installation",
] as const;

/**
 * Finds the stack of this name. Throws an InputError when there is none, or when it is not keyferry's, and a SyncError when
 * AWS does not answer.
 */
export async function stackFacts(name: string): Promise<StackFacts> {
  const stack = await describe(name);
  return { id: stack.StackId?.split("/")[2] ?? "", outputs: outputsOf(name, stack) };
}

function outputsOf(name: string, stack: Description): StackFacts["outputs"] {
  const found = Object.fromEntries((stack.Outputs ?? []).map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]));
  const missing = NEEDED.filter((output) => found[output] === undefined);
  if (missing.length === 0) return found as StackFacts["outputs"];
  const state = stack.StackStatus ?? "unknown";
  throw new InputError(`--stack ${name}`, [
    `this is not a stack of keyferry, or it is not deployed yet: its state is ${state}`,
  ]);
}

async function describe(name: string): Promise<Description> {
  const { CloudFormationClient, DescribeStacksCommand } = await import("@aws-sdk/client-cloudformation");
  const client = new CloudFormationClient({ requestHandler });
  try {
    const { Stacks = [] } = await client.send(new DescribeStacksCommand({ StackName: name }));
    if (Stacks[0]) return Stacks[0];
  } catch (error) {
    throw stackError(name, error);
  } finally {
    client.destroy();
  }
  throw new InputError(`--stack ${name}`, [MISSING]);
}

const MISSING = "there is no such stack in this account and region: check the name, AWS_REGION and AWS_PROFILE";

const UNANSWERED = "check the network, AWS_REGION and AWS_PROFILE, and try again";

/** Why CloudFormation does not describe this stack: an InputError, or that AWS does not answer. */
export function stackError(name: string, error: unknown): InputError | SyncError {
  const refused = (reason: string) => new InputError(`--stack ${name}`, [reason]);
  const cause = error instanceof Error ? error.name : "unknown error";
  if (cause === "ValidationError") return refused(MISSING);
  if (/Credentials|Token|Signature|Auth|Denied/.test(cause)) {
    return refused(
      `AWS denies access (${cause}): check AWS_PROFILE and its permissions (cloudformation:DescribeStacks)`,
    );
  }
  if (error instanceof Error && /Region/.test(error.message)) return refused("no region is set: set AWS_REGION");
  const message = `AWS does not answer about stack ${name} (${cause}): ${UNANSWERED}`;
  return new SyncError("STORE_UNAVAILABLE", message, { cause: error });
}
