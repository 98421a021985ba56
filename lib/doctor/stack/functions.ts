import { GetMetricStatisticsCommand } from "@aws-sdk/client-cloudwatch";
import {
  type EventSourceMappingConfiguration,
  GetFunctionConcurrencyCommand,
  GetFunctionConfigurationCommand,
  ListEventSourceMappingsCommand,
} from "@aws-sdk/client-lambda";
import { HOUR_MS } from "../../clock.ts";
import { shellWord } from "../../util/shell.ts";
import { type Finding, finding } from "../finding.ts";
import { advice, commands } from "../remedies.ts";
import { type ExaminedStack, resourcesOf, type StackCheck } from "./context.ts";

/** Whether each function may run, and has its queues. */
export const functions: StackCheck = {
  subject: "functions",
  async find(stack) {
    const names = resourcesOf(stack, "AWS::Lambda::Function").map(({ id }) => id);
    return (await Promise.all(names.map((name) => functionFindings(stack, name)))).flat();
  },
};

async function functionFindings(stack: ExaminedStack, name: string): Promise<readonly Finding[]> {
  const { clients, signal } = stack;
  const { lambda } = clients;
  const of = { FunctionName: name };
  const [config, concurrency, mappings] = await Promise.all([
    lambda.send(new GetFunctionConfigurationCommand(of), { abortSignal: signal }),
    lambda.send(new GetFunctionConcurrencyCommand(of), { abortSignal: signal }),
    lambda.send(new ListEventSourceMappingsCommand(of), { abortSignal: signal }),
  ]);
  const where = `function ${name}`;
  const state = config.State ?? "Active";
  const isActive = state === "Active" || state === "Inactive";
  return [
    ...(isActive && config.LastUpdateStatus !== "Failed"
      ? []
      : [
          finding("FUNCTION_UNUSABLE", {
            where,
            what: `its state is ${state}, its last update ${config.LastUpdateStatus ?? "unknown"}`,
            remedy: advice("Deploy the stack again; AWS says why: aws lambda get-function-configuration."),
          }),
        ]),
    ...(concurrency.ReservedConcurrentExecutions === 0
      ? [
          finding("FUNCTION_UNUSABLE", {
            where,
            what: "its reserved concurrency is 0, so it never runs",
            remedy: commands([`aws lambda delete-function-concurrency --function-name ${shellWord(name)}`]),
          }),
        ]
      : []),
    ...(mappings.EventSourceMappings ?? []).filter(isDisabled).map((mapping) => disabled(where, mapping)),
    ...(await errorsOf(stack, name)),
  ];
}

function isDisabled({ State }: EventSourceMappingConfiguration): boolean {
  return State === "Disabled" || State === "Disabling";
}

function disabled(where: string, { UUID = "", EventSourceArn = "" }: EventSourceMappingConfiguration): Finding {
  return finding("FUNCTION_UNUSABLE", {
    where,
    what: `it does not read its queue ${EventSourceArn.split(":").at(-1)}, because the mapping is disabled`,
    remedy: commands([`aws lambda update-event-source-mapping --uuid ${shellWord(UUID)} --enabled`]),
  });
}

async function errorsOf({ clients, clock, signal }: ExaminedStack, name: string): Promise<readonly Finding[]> {
  const now = clock();
  const command = new GetMetricStatisticsCommand({
    Namespace: "AWS/Lambda",
    MetricName: "Errors",
    Dimensions: [{ Name: "FunctionName", Value: name }],
    StartTime: new Date(now - HOUR_MS),
    EndTime: new Date(now),
    Period: 3_600,
    Statistics: ["Sum"],
  });
  const { Datapoints = [] } = await clients.cloudWatch.send(command, { abortSignal: signal });
  const count = Datapoints.reduce((sum, { Sum = 0 }) => sum + Sum, 0);
  if (count === 0) return [];
  const what = `${count} invocations failed in the last hour`;
  const remedy = commands([
    `aws logs filter-log-events --log-group-name ${shellWord(`/aws/lambda/${name}`)} --filter-pattern '"invocation-failed"'`,
  ]);
  return [finding("FUNCTION_ERRORS", { where: `function ${name}`, what, remedy })];
}
