import {
  CloudFormationClient,
  CreateStackCommand,
  DeleteStackCommand,
  DescribeStackEventsCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { CloudWatchLogsClient, FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  GetFunctionConfigurationCommand,
  InvokeCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
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
  /** Forbids a function these actions, until it is disposed of; once at a time for each function. */
  forbid(functionName: string, ...actions: readonly string[]): Promise<AsyncDisposable>;
  invoke(name: string, event?: object): Promise<{ readonly error?: string; readonly payload: unknown }>;
  /** The next invocation has a new process. */
  restart(functionName: string): Promise<void>;
  /** As a service does it: Lambda repeats a failed event, and then sends it where its function says. */
  invokeLater(name: string, event: object): Promise<void>;
  /** What a function has logged, oldest first. */
  logs(functionName: string): Promise<readonly LogEntry[]>;
}

/** For a change of a stack. */
const STACK_MS = 180_000;

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
  const account: Account = {
    sqs: new SQSClient(clientConfig),
    outputs,
    async forbid(FunctionName, ...actions) {
      const { Role = "" } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      const StackName = `without-${actions.join("-").replaceAll(/[^\w-]/g, "")}`;
      await account.createStack(StackName, forbidding(Role.split("/").at(-1) ?? "", actions));
      return {
        [Symbol.asyncDispose]: async () => {
          await cloudFormation.send(new DeleteStackCommand({ StackName }));
          await waitFor(
            "the permission to be back",
            async () => {
              const found = await stackOf(StackName).catch(() => undefined);
              return found === undefined || found.StackStatus === "DELETE_COMPLETE";
            },
            STACK_MS,
          );
        },
      };
    },
    async createStack(name, template) {
      const TemplateBody = JSON.stringify(template);
      await cloudFormation.send(
        new CreateStackCommand({ StackName: name, TemplateBody, Capabilities: ["CAPABILITY_IAM"] }),
      );
      const status = await waitFor(
        `stack ${name}`,
        async () => {
          const { StackStatus = "" } = (await stackOf(name)) ?? {};
          return StackStatus.endsWith("_IN_PROGRESS") ? undefined : StackStatus;
        },
        STACK_MS,
      );
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
    async restart(FunctionName) {
      // An update ends the processes also when it changes nothing.
      const { MemorySize } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
      await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, MemorySize }));
      await waitFor(
        `${FunctionName} to be changed`,
        async () => {
          const { LastUpdateStatus } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
          return LastUpdateStatus !== "InProgress";
        },
        STACK_MS,
      );
    },
    async invokeLater(FunctionName, event) {
      const Payload = Buffer.from(JSON.stringify(event));
      await lambda.send(new InvokeCommand({ FunctionName, InvocationType: "Event", Payload }));
    },
    async logs(name) {
      const request = new FilterLogEventsCommand({ logGroupName: `/aws/lambda/${name}` });
      const { events = [] } = await logsClient.send(request).catch(() => ({ events: [] }));
      return events.map(({ timestamp = 0, message = "" }) => ({ at: timestamp, line: lineOf(message) }));
    },
  };
  return account;
}

function forbidding(role: string, Action: readonly string[]): object {
  const Statement = [{ Effect: "Deny", Action, Resource: "*" }];
  const PolicyDocument = { Version: "2012-10-17", Statement };
  const Properties = { PolicyName: "forbidden", Roles: [role], PolicyDocument };
  return { Resources: { Forbidden: { Type: "AWS::IAM::Policy", Properties } } };
}

function lineOf(message: string): Readonly<Record<string, unknown>> {
  const start = message.indexOf("{");
  try {
    return JSON.parse(message.slice(start)) as Record<string, unknown>;
  } catch {
    return { text: message };
  }
}
