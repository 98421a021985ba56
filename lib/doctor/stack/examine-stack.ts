import { DescribeStacksCommand, ListStackResourcesCommand } from "@aws-sdk/client-cloudformation";
import { SECOND_MS } from "../../clock.ts";
import { shellWord } from "../../util/shell.ts";
import { bySeverity, type Finding, finding } from "../finding.ts";
import { advice, commands } from "../remedies.ts";
import { alarms } from "./alarms.ts";
import { type ExaminedStack, failedCheck, refusalOf, type StackCheck, type StackResource } from "./context.ts";
import { engine } from "./engine.ts";
import { functions } from "./functions.ts";
import { deadLetters, queueAges } from "./queues.ts";
import { table } from "./table.ts";

/** The state of the last deployment. */
const deployment: StackCheck = {
  subject: "deployment",
  async find({ name, clients, signal }) {
    const command = new DescribeStacksCommand({ StackName: name });
    const { Stacks: [stack] = [] } = await clients.cloudFormation.send(command, { abortSignal: signal });
    const status = stack?.StackStatus ?? "unknown";
    if (/^(CREATE|UPDATE|IMPORT|UPDATE_ROLLBACK)_COMPLETE$/.test(status)) return [];
    const remedy =
      status === "UPDATE_ROLLBACK_FAILED"
        ? commands([`aws cloudformation continue-update-rollback --stack-name ${shellWord(name)}`])
        : advice(
            "Wait for the end of a deployment that is under way, or deploy again; the stack's events say what failed.",
          );
    return [finding("STACK_UNFINISHED", { where: `stack ${name}`, what: `its state is ${status}`, remedy })];
  },
};

/** Checks that need no list of the stack's resources. */
const OF_STACK: readonly StackCheck[] = [deployment, engine];

/** Everything about a stack besides its clusters. A new check is a file and a line. */
const CHECKS: readonly StackCheck[] = [...OF_STACK, table, functions, queueAges, deadLetters, alarms];

const CHECK_MS = 30 * SECOND_MS;

/** Examines a stack. What AWS does not tell is a finding, and hides no other. */
export async function examineStack(stack: Omit<ExaminedStack, "resources">): Promise<readonly Finding[]> {
  try {
    return bySeverity(await foundBy(CHECKS, { ...stack, resources: await resourcesIn(stack) }));
  } catch (error) {
    const found = await foundBy(OF_STACK, { ...stack, resources: [] });
    return bySeverity([notChecked(stack, error), ...found]);
  }
}

async function foundBy(checks: readonly StackCheck[], stack: ExaminedStack): Promise<readonly Finding[]> {
  const found = await Promise.all(
    checks.map(async ({ subject, find }) => {
      const signal = AbortSignal.any([stack.signal, AbortSignal.timeout(CHECK_MS)]);
      return find({ ...stack, signal }).catch((error: unknown) => [failedCheck(subject, error)]);
    }),
  );
  return found.flat();
}

function notChecked({ name }: Pick<ExaminedStack, "name">, error: unknown): Finding {
  return finding("STACK_NOT_CHECKED", {
    where: `resources of stack ${name}`,
    what: refusalOf(error),
    remedy: advice(
      "Run doctor with the permissions that docs/doctor.md lists, as infra/operator-policy.json has them.",
    ),
  });
}

/** A stack has fewer; each page has a hundred. */
const MAX_PAGES = 10;

async function resourcesIn({
  name,
  clients,
  signal,
}: Omit<ExaminedStack, "resources">): Promise<readonly StackResource[]> {
  const resources: StackResource[] = [];
  let NextToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const command = new ListStackResourcesCommand({ StackName: name, ...(NextToken && { NextToken }) });
    const answer = await clients.cloudFormation.send(command, { abortSignal: signal });
    for (const found of answer.StackResourceSummaries ?? []) {
      const { ResourceType: type = "", LogicalResourceId: logicalId = "", PhysicalResourceId: id = "" } = found;
      resources.push({ type, logicalId, id });
    }
    NextToken = answer.NextToken;
    if (NextToken === undefined) break;
  }
  return resources;
}
