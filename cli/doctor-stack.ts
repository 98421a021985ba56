import { systemClock } from "../lib/clock.ts";
import type { Finding } from "../lib/doctor/finding.ts";

import { engineView } from "./engine-view.ts";
import { openStack, requestHandler } from "./stack.ts";

/** Findings about a stack itself; its clusters are examined as others are. */
export async function stackFindings(name: string, signal: AbortSignal): Promise<readonly Finding[]> {
  // Loaded only here, so that commands on one machine don't wait for AWS's clients.
  const [
    { CloudFormationClient },
    { CloudWatchClient },
    { LambdaClient },
    { SQSClient },
    { dynamoClient },
    { examineStack },
  ] = await Promise.all([
    import("@aws-sdk/client-cloudformation"),
    import("@aws-sdk/client-cloudwatch"),
    import("@aws-sdk/client-lambda"),
    import("@aws-sdk/client-sqs"),
    import("../lib/store/dynamodb/client.ts"),
    import("../lib/doctor/stack/examine-stack.ts"),
  ]);
  const { leases } = await openStack(name, systemClock);
  const flags = { stack: name, dataDir: "" };
  // A table that can't be read is a finding of its own.
  const engine = await engineView(flags, leases, systemClock()).catch(() => ({ state: "working" as const }));
  const clients = {
    cloudFormation: new CloudFormationClient({ requestHandler }),
    cloudWatch: new CloudWatchClient({ requestHandler }),
    dynamo: dynamoClient(),
    lambda: new LambdaClient({ requestHandler }),
    sqs: new SQSClient({ requestHandler }),
  };
  try {
    return await examineStack({ name, clients, isWorking: engine.state === "working", clock: systemClock, signal });
  } finally {
    for (const client of Object.values(clients)) client.destroy();
  }
}
