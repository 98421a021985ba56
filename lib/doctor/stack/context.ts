import type { CloudFormationClient } from "@aws-sdk/client-cloudformation";
import type { CloudWatchClient } from "@aws-sdk/client-cloudwatch";
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import type { SQSClient } from "@aws-sdk/client-sqs";
import type { Clock } from "../../clock.ts";
import { type Finding, finding } from "../finding.ts";

/** A deployed stack, and clients that only read of it. */
export interface ExaminedStack {
  readonly name: string;
  readonly resources: readonly StackResource[];
  readonly clients: {
    readonly cloudFormation: CloudFormationClient;
    readonly cloudWatch: CloudWatchClient;
    readonly dynamo: DynamoDBClient;
    readonly lambda: LambdaClient;
    readonly sqs: SQSClient;
  };
  /** Whether ticks and passes ran in the last minutes. */
  readonly isWorking: boolean;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface StackResource {
  readonly type: string;
  /** As in the template: `NowDeadLetters`. */
  readonly logicalId: string;
  /** As AWS has it: a name, a URL or an ARN. */
  readonly id: string;
}

export interface StackCheck {
  readonly subject: string;
  find(stack: ExaminedStack): Promise<readonly Finding[]>;
}

export function resourcesOf({ resources }: ExaminedStack, type: string): readonly StackResource[] {
  return resources.filter((resource) => resource.type === type);
}

/** A check that AWS refused, for example because the caller may not ask. */
export function failedCheck(subject: string, error: unknown): Finding {
  return finding("CHECK_FAILED", { where: subject, what: refusalOf(error) });
}

/** Nothing of AWS's text is repeated. */
export function refusalOf(error: unknown): string {
  const name = error instanceof Error ? error.name : "unknown";
  return /Denied|Unauthorized|Forbidden/.test(name)
    ? `AWS denies it (${name}): check your own permissions`
    : `AWS does not answer it (${name})`;
}
