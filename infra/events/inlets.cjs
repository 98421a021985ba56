const { createHash } = require("node:crypto");

/**
 * What may call vault-audit: the inlets that the settings name (docs/events-aws.md). Without them nothing may, and the
 * function costs nothing.
 */
const FUNCTION = { "Fn::GetAtt": ["VaultAuditLambdaFunction", "Arn"] };
const FAILURES = { "Fn::GetAtt": ["VaultAuditFailures", "Arn"] };
const ACCOUNT = { Ref: "AWS::AccountId" };
/** A rule keeps what the function does not take for so long, and then sends it to the queue of failures. */
const RETRIES = { MaximumEventAgeInSeconds: 21600, MaximumRetryAttempts: 185 };
/** detail-types of lib/aws/inlet-envelopes.ts. */
const LINES = ["VaultAuditLine", "VaultAuditLines"];

function inletsFor({
  auditLogGroups = [],
  auditLogFilter = "",
  auditSources = [],
  auditBus = "default",
  auditObjects = [],
  auditPost = false,
  auditPostKeys = [],
  auditKmsKeys = [],
}) {
  const objects = auditObjects.map(placeOf);
  const rules = {
    ...(auditSources.length === 0 ? {} : rule("AuditLines", linesOf(auditSources), auditBus)),
    ...Object.assign({}, ...objects.map((place) => rule(`AuditObjects${idOf(place)}`, createdIn(place), "default"))),
  };
  const Resources = {
    ...Object.assign({}, ...auditLogGroups.map((group) => subscription(group, auditLogFilter))),
    ...rules,
    ...deadLettersOf(Object.keys(rules).filter((name) => name.endsWith("Rule"))),
    ...policyOf([
      ...allowed("AuditObjects", "s3:GetObject", objects.map(arnOfObjects)),
      ...allowed("AuditBuckets", "s3:ListBucket", [...new Set(objects.map(({ bucket }) => bucket))].map(arnOfBucket)),
      ...allowed("PostParameters", "ssm:GetParameter", auditPostKeys.filter(isOf("ssm"))),
      ...allowed("PostSecrets", "secretsmanager:GetSecretValue", auditPostKeys.filter(isOf("secretsmanager"))),
      ...allowed("AuditKeys", "kms:Decrypt", auditKmsKeys),
    ]),
    ...(isOn(auditPost) ? url() : {}),
  };
  if (Object.keys(Resources).length === 0) return {};
  return isOn(auditPost) ? { Resources, Outputs: { AuditUrl: urlOutput() } } : { Resources };
}

/** A log group sends its lines. */
function subscription(group, FilterPattern) {
  const name = `AuditLogs${idOf(group)}`;
  return {
    ...permission(name, "logs.amazonaws.com", arn("logs", `log-group:${group}:*`)),
    [`${name}Subscription`]: {
      Type: "AWS::Logs::SubscriptionFilter",
      DependsOn: `${name}Permission`,
      Properties: { LogGroupName: group, FilterPattern, DestinationArn: FUNCTION },
    },
  };
}

function rule(name, EventPattern, EventBusName) {
  return {
    ...permission(name, "events.amazonaws.com", { "Fn::GetAtt": [`${name}Rule`, "Arn"] }),
    [`${name}Rule`]: {
      Type: "AWS::Events::Rule",
      Properties: {
        Description: "Audit lines of Vault, for keyferry",
        EventBusName,
        EventPattern,
        Targets: [{ Id: "vault-audit", Arn: FUNCTION, RetryPolicy: RETRIES, DeadLetterConfig: { Arn: FAILURES } }],
      },
    },
  };
}

function linesOf(sources) {
  return { source: sources, "detail-type": LINES };
}

function createdIn({ bucket, prefix }) {
  const detail = { bucket: { name: [bucket] }, ...(prefix === "" ? {} : { object: { key: [{ prefix }] } }) };
  return { source: ["aws.s3"], "detail-type": ["Object Created"], detail };
}

/** The rules may send what they could not deliver. */
function deadLettersOf(rules) {
  if (rules.length === 0) return {};
  const sources = rules.map((name) => ({ "Fn::GetAtt": [name, "Arn"] }));
  const Statement = [
    {
      Sid: "Undelivered",
      Effect: "Allow",
      Principal: { Service: "events.amazonaws.com" },
      Action: "sqs:SendMessage",
      Resource: FAILURES,
      Condition: { ArnEquals: { "aws:SourceArn": sources } },
    },
  ];
  const PolicyDocument = { Version: "2012-10-17", Statement };
  return {
    VaultAuditFailuresPolicy: {
      Type: "AWS::SQS::QueuePolicy",
      Properties: { Queues: [{ Ref: "VaultAuditFailures" }], PolicyDocument },
    },
  };
}

/** Anybody may call the URL: the function itself verifies the signature of each request. */
function url() {
  const of = { FunctionName: FUNCTION, Principal: "*" };
  return {
    AuditUrl: { Type: "AWS::Lambda::Url", Properties: { TargetFunctionArn: FUNCTION, AuthType: "NONE" } },
    AuditUrlPermission: {
      Type: "AWS::Lambda::Permission",
      Properties: { ...of, Action: "lambda:InvokeFunctionUrl", FunctionUrlAuthType: "NONE" },
    },
    AuditUrlInvokes: {
      Type: "AWS::Lambda::Permission",
      Properties: { ...of, Action: "lambda:InvokeFunction", InvokedViaFunctionUrl: true },
    },
  };
}

function urlOutput() {
  const Description = "Signed POSTs of audit lines go here, with the name of the Vault as the path";
  return { Description, Value: { "Fn::GetAtt": ["AuditUrl", "FunctionUrl"] } };
}

function permission(name, Principal, SourceArn) {
  const Properties = { FunctionName: FUNCTION, Action: "lambda:InvokeFunction", Principal, SourceArn };
  return {
    [`${name}Permission`]: {
      Type: "AWS::Lambda::Permission",
      Properties: { ...Properties, SourceAccount: ACCOUNT },
    },
  };
}

function policyOf(Statement) {
  if (Statement.length === 0) return {};
  const PolicyDocument = { Version: "2012-10-17", Statement };
  const Properties = { PolicyName: "inlets", Roles: [{ Ref: "VaultAuditRole" }], PolicyDocument };
  return { VaultAuditInlets: { Type: "AWS::IAM::Policy", Properties } };
}

function allowed(Sid, Action, Resource) {
  return Resource.length === 0 ? [] : [{ Sid, Effect: "Allow", Action, Resource }];
}

/** BUCKET or BUCKET/PREFIX. */
function placeOf(text) {
  const at = text.indexOf("/");
  return at < 0 ? { bucket: text, prefix: "" } : { bucket: text.slice(0, at), prefix: text.slice(at + 1) };
}

function arnOfBucket(name) {
  return { "Fn::Sub": `arn:\${AWS::Partition}:s3:::${name}` };
}

function arnOfObjects({ bucket, prefix }) {
  return { "Fn::Sub": `arn:\${AWS::Partition}:s3:::${bucket}/${prefix}*` };
}

function arn(service, resource) {
  return { "Fn::Sub": `arn:\${AWS::Partition}:${service}:\${AWS::Region}:\${AWS::AccountId}:${resource}` };
}

function isOf(service) {
  return (text) => text.split(":")[2] === service;
}

/** A setting may come as text. */
function isOn(setting) {
  return String(setting) === "true";
}

/** A logical id that stays when another inlet comes or goes. */
function idOf(value) {
  return createHash("sha256").update(JSON.stringify(value)).digest("hex").slice(0, 8);
}

const SETTINGS = [
  "auditLogGroups",
  "auditLogFilter",
  "auditSources",
  "auditBus",
  "auditObjects",
  "auditPost",
  "auditPostKeys",
  "auditKmsKeys",
];

/** For serverless.yml: a setting that is missing or null has its default. */
module.exports = async ({ resolveVariable }) => {
  const found = await Promise.all(SETTINGS.map((name) => resolveVariable(`self:custom.settings.${name}, null`)));
  const set = SETTINGS.map((name, at) => [name, found[at]]).filter(
    ([, value]) => value !== null && value !== undefined,
  );
  return inletsFor(Object.fromEntries(set));
};
module.exports.inletsFor = inletsFor;
