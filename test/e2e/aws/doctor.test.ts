import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CloudFormationClient, ListStackResourcesCommand } from "@aws-sdk/client-cloudformation";
import { CloudWatchClient, SetAlarmStateCommand } from "@aws-sdk/client-cloudwatch";
import {
  DeleteFunctionConcurrencyCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
  PutFunctionConcurrencyCommand,
  UpdateEventSourceMappingCommand,
} from "@aws-sdk/client-lambda";
import { PurgeQueueCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import type { Finding } from "../../../lib/doctor/finding.ts";
import { waitFor } from "../../harness/index.ts";
import { placeIn } from "../support/place.ts";
import { type Deployed, STACK, startDeployed } from "./support/deployed.ts";
import { A_TICK_MS } from "./support/waits.ts";

describe("doctor --stack finds what is broken in a deployed keyferry", { timeout: 900_000 }, () => {
  let deployed: Deployed;
  let lambda: LambdaClient;

  before(async () => {
    deployed = await startDeployed();
    lambda = new LambdaClient(deployed.aws.clientConfig);
  });
  after(() => deployed?.[Symbol.asyncDispose]());

  const examine = async () => {
    const { code, stdout, stderr } = await deployed.keyferry("doctor", "-o", "json");
    assert.ok(stdout.startsWith("{"), stderr);
    const { findings } = JSON.parse(stdout) as { findings: readonly Finding[] };
    const errors = findings.filter(({ severity }) => severity === "error");
    assert.equal(code, errors.length > 0 ? 1 : 0, stderr);
    return { findings, errors };
  };
  const errorOf = async (code: string) => {
    const { errors } = await examine();
    return (
      errors.find((one) => one.code === code) ?? assert.fail(`${code} among ${JSON.stringify(errors, undefined, 2)}`)
    );
  };
  const isGone = async (code: string) =>
    assert.deepEqual(
      (await examine()).findings.filter((one) => one.code === code),
      [],
    );

  it("a fleet that is not there, and ticks that find none", async () => {
    const { remedy, where } = await errorOf("FLEET_UNREADABLE");
    assert.match(where, /^s3:\/\/.*fleet\.yaml$/);
    assert.equal(remedy?.text, `keyferry fleet push --stack ${STACK} --fleet fleet.yaml`);
    assert.match((await errorOf("ENGINE_STOPPED")).where, new RegExp(STACK));
    await deployed.uploadFleet();
    await isGone("FLEET_UNREADABLE");
  });

  it("a stack at work has no errors, and its clusters are examined", async () => {
    const [cluster] = deployed.world.clusters;
    assert.ok(cluster);
    await deployed.world.namespace(cluster, "team-a");
    await deployed.world.vault.putKv("kv", "db", { password: "one" });
    const place = placeIn(cluster, "team-a");
    await using _ = deployed.ticking();
    await place.declare("db");
    await place.secretThat("db", ({ data }) => data.password === "one", 2 * A_TICK_MS);
    let last: readonly Finding[] = [];
    const { findings } = await waitFor(
      "a stack without errors",
      async () => {
        const found = await examine();
        last = found.errors;
        return found.errors.length === 0 && found;
      },
      2 * A_TICK_MS,
    ).catch((error: unknown) => assert.fail(`${error}: ${JSON.stringify(last, undefined, 2)}`));
    assert.ok(findings.some(({ cluster: name, code }) => name === "two" && code === "VERSIONS"));
    assert.deepEqual(
      findings.filter(({ code }) => code === "CHECK_FAILED"),
      [],
    );
  });

  it("a dead letter, with its reason", async () => {
    const { sqs } = deployed.account;
    const queue = await physicalId("NowDeadLetters");
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: queue,
        MessageBody: "{}",
        MessageAttributes: { reason: { DataType: "String", StringValue: "the message is not keyferry's" } },
      }),
    );
    const found = await errorOf("DEAD_LETTERS");
    assert.match(found.what, /1 messages: the message is not keyferry's/);
    assert.match(found.remedy?.text ?? "", /start-message-move-task --source-arn arn:aws:sqs:/);
    await sqs.send(new PurgeQueueCommand({ QueueUrl: queue }));
    await isGone("DEAD_LETTERS");
  });

  it("an alarm that rings, with what to do", async () => {
    const watch = new CloudWatchClient(deployed.aws.clientConfig);
    const name = await physicalId("NowDeadLettersAlarm");
    const set = (StateValue: "ALARM" | "OK") =>
      watch.send(new SetAlarmStateCommand({ AlarmName: name, StateValue, StateReason: "a test" }));
    await set("ALARM");
    const found = await errorOf("ALARM_RINGS");
    assert.equal(found.where, "alarm NowDeadLettersAlarm");
    assert.match(found.remedy?.text ?? "", /log of reconcile/);
    await set("OK");
    await isGone("ALARM_RINGS");
  });

  it("a function that may not run, and one that does not read its queue", async () => {
    const FunctionName = `${STACK}-reconcile`;
    await lambda.send(new PutFunctionConcurrencyCommand({ FunctionName, ReservedConcurrentExecutions: 0 }));
    const stopped = await errorOf("FUNCTION_UNUSABLE");
    assert.equal(stopped.remedy?.text, `aws lambda delete-function-concurrency --function-name ${FunctionName}`);
    await lambda.send(new DeleteFunctionConcurrencyCommand({ FunctionName }));
    await isGone("FUNCTION_UNUSABLE");

    const { EventSourceMappings: [mapping] = [] } = await lambda.send(
      new ListEventSourceMappingsCommand({ FunctionName }),
    );
    const enabled = (Enabled: boolean) =>
      lambda.send(new UpdateEventSourceMappingCommand({ UUID: mapping?.UUID ?? "", Enabled }));
    await enabled(false);
    const deaf = await errorOf("FUNCTION_UNUSABLE");
    assert.equal(deaf.remedy?.text, `aws lambda update-event-source-mapping --uuid ${mapping?.UUID} --enabled`);
    await enabled(true);
    await isGone("FUNCTION_UNUSABLE");
  });

  const physicalId = async (logicalId: string): Promise<string> => {
    const client = new CloudFormationClient(deployed.aws.clientConfig);
    const { StackResourceSummaries = [] } = await client.send(new ListStackResourcesCommand({ StackName: STACK }));
    const found = StackResourceSummaries.find(({ LogicalResourceId }) => LogicalResourceId === logicalId);
    return found?.PhysicalResourceId ?? assert.fail(`no ${logicalId}`);
  };
});
