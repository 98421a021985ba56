import {
  CloudFormationClient,
  CreateStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { SQSClient } from "@aws-sdk/client-sqs";
import { waitFor } from "../../../harness/index.ts";
import type { Ministack } from "../../../harness/ministack.ts";

export interface LogEntry {
  readonly at: number;
  /** The line as JSON, or `{ text }`. */
  readonly line: Readonly<Record<string, unknown>>;
}

/** One account as a person at a terminal has it. */
export interface Account {
  readonly sqs: SQSClient;
  /** Makes a stack and answers its outputs. */
  createStack(name: string, template: object): Promise<Readonly<Record<string, string>>>;
  outputs(stack: string): Promise<Readonly<Record<string, string>>>;
  invoke(name: string, event?: object): Promise<{ readonly error?: string; readonly payload: unknown }>;
  /** What a function has logged, oldest first. */
  logs(functionName: string): Promise<readonly LogEntry[]>;
}

export function accountOf({ clientConfig }: Ministack): Account {
  const cloudFormation = new CloudFormationClient(clientConfig);
  const logsClient = new CloudWatchLogsClient(clientConfig);
  const lambda = new LambdaClient(clientConfig);
  const stackOf = async (name: string) =>
    (await cloudFormation.send(new DescribeStacksCommand({ StackName: name }))).Stacks?.[0];
  const outputs = async (name: string): Promise<Record<string, string>> => {
    const found = (await stackOf(name))?.Outputs ?? [];
    return Object.fromEntries(found.map(({ OutputKey = "", OutputValue = "" }) => [OutputKey, OutputValue]));
  };
  return {
    sqs: new SQSClient(clientConfig),
    outputs,
    async createStack(name, template) {
      const TemplateBody = JSON.stringify(template);
      await cloudFormation.send(
        new CreateStackCommand({ StackName: name, TemplateBody, Capabilities: ["CAPABILITY_IAM"] }),
      );
      const status = await waitFor(`stack ${name}`, async () => {
        const { StackStatus = "" } = (await stackOf(name)) ?? {};
        return StackStatus.endsWith("_IN_PROGRESS") ? undefined : StackStatus;
      });
      if (status !== "CREATE_COMPLETE") {
        const { StackEvents = [] } = await cloudFormation.send(new DescribeStackEventsCommand({ StackName: name }));
        throw new Error(StackEvents.map((event) => event.ResourceStatusReason ?? "").join("\n"));
      }
      return outputs(name);
    },
    async invoke(name, event = {}) {
      const answer = await lambda.send(
        new InvokeCommand({ FunctionName: name, Payload: Buffer.from(JSON.stringify(event)) }),
      );
      const payload: unknown = JSON.parse(Buffer.from(answer.Payload ?? []).toString() || "null");
      return { payload, ...(answer.FunctionError === undefined ? {} : { error: answer.FunctionError }) };
    },
    async logs(name) {
      const request = new FilterLogEventsCommand({ logGroupName: `/aws/lambda/${name}` });
      const { events = [] } = await logsClient.send(request).catch(() => ({ events: [] }));
      return events.map(({ timestamp = 0, message = "" }) => ({ at: timestamp, line: lineOf(message) }));
    },
  };
}

function lineOf(message: string): Readonly<Record<string, unknown>> {
  const start = message.indexOf("{");
  try {
    return JSON.parse(message.slice(start)) as Record<string, unknown>;
  } catch {
    return { text: message };
  }
}
