/** A stack of all that keyferry's own is made of, with functions that only say what they were given. */

const ROLE = {
  Type: "AWS::IAM::Role",
  Properties: {
    AssumeRolePolicyDocument: {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { Service: "lambda.amazonaws.com" }, Action: "sts:AssumeRole" }],
    },
  },
};

/** The time of a function that hangs: a process of it starts within it on a busy machine, too. */
const HANGS_S = 6;
/** The time of one that does not. */
export const AMPLE_S = 60;
/** When a queue's message is seen again: longer than the function may take. */
export const RETRIED_AFTER_S = 8;

/**
 * Fails the messages whose body says so, ends its process at "die", and runs out of time at "hang". What it got it notes
 * in the file that `DELIVERIES` names, too: a line of a log may come later, or never.
 */
const WORKER = `
const { appendFileSync } = require("node:fs");
const calls = { times: 0 };
exports.handler = async (event, context) => {
  calls.times++;
  const records = event.Records ?? [];
  const got = records.map((r) => [r.body, r.attributes.ApproximateReceiveCount]);
  const { DELIVERIES } = process.env;
  if (DELIVERIES) appendFileSync(DELIVERIES, JSON.stringify({ got, at: Date.now() }) + "\\n");
  console.log(JSON.stringify({ got, times: calls.times,
    remaining: context.getRemainingTimeInMillis(), node: process.version, pid: process.pid, schedule: event["detail-type"] }));
  if (records.some((r) => r.body === "die") ) process.exit(1);
  if (records.some((r) => r.body === "hang")) await new Promise((done) => setTimeout(done, 60_000));
  const failed = records.filter((r) => r.body === "fail");
  return { batchItemFailures: failed.map((r) => ({ itemIdentifier: r.messageId })), pid: process.pid, times: calls.times };
};`;

function worker(timeoutSeconds: number): object {
  return {
    Type: "AWS::Lambda::Function",
    Properties: {
      Runtime: "nodejs24.x",
      Architectures: ["arm64"],
      Handler: "index.handler",
      Timeout: timeoutSeconds,
      Role: { "Fn::GetAtt": ["Role", "Arn"] },
      Code: { ZipFile: WORKER },
    },
  };
}

export const STAND_IN = {
  Resources: {
    Role: ROLE,
    Key: { Type: "AWS::KMS::Key", Properties: { KeyPolicy: { Version: "2012-10-17", Statement: [] } } },
    Bucket: { Type: "AWS::S3::Bucket", Properties: { VersioningConfiguration: { Status: "Enabled" } } },
    Dead: { Type: "AWS::SQS::Queue" },
    Queue: {
      Type: "AWS::SQS::Queue",
      Properties: {
        VisibilityTimeout: RETRIED_AFTER_S,
        RedrivePolicy: { deadLetterTargetArn: { "Fn::GetAtt": ["Dead", "Arn"] }, maxReceiveCount: 2 },
      },
    },
    Table: {
      Type: "AWS::DynamoDB::Table",
      Properties: {
        BillingMode: "PAY_PER_REQUEST",
        AttributeDefinitions: [{ AttributeName: "pk", AttributeType: "S" }],
        KeySchema: [{ AttributeName: "pk", KeyType: "HASH" }],
      },
    },
    Worker: worker(HANGS_S),
    Scheduled: worker(AMPLE_S),
    /** Only a test calls it. */
    Called: worker(AMPLE_S),
    Mapping: {
      Type: "AWS::Lambda::EventSourceMapping",
      Properties: {
        EventSourceArn: { "Fn::GetAtt": ["Queue", "Arn"] },
        FunctionName: { Ref: "Worker" },
        BatchSize: 10,
        FunctionResponseTypes: ["ReportBatchItemFailures"],
        ScalingConfig: { MaximumConcurrency: 2 },
      },
    },
    Rule: {
      Type: "AWS::Events::Rule",
      Properties: {
        ScheduleExpression: "rate(1 minute)",
        Targets: [{ Id: "scheduled", Arn: { "Fn::GetAtt": ["Scheduled", "Arn"] } }],
      },
    },
  },
  Outputs: {
    Queue: { Value: { Ref: "Queue" } },
    Dead: { Value: { Ref: "Dead" } },
    Table: { Value: { Ref: "Table" } },
    Bucket: { Value: { Ref: "Bucket" } },
    Key: { Value: { Ref: "Key" } },
    Worker: { Value: { Ref: "Worker" } },
    Scheduled: { Value: { Ref: "Scheduled" } },
    Called: { Value: { Ref: "Called" } },
    Installation: { Value: { "Fn::Select": [2, { "Fn::Split": ["/", { Ref: "AWS::StackId" }] }] } },
  },
};
