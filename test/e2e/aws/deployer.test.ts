import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CloudFormationClient, CreateStackCommand } from "@aws-sdk/client-cloudformation";
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from "@aws-sdk/client-iam";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { type Ministack, startMinistack, type TempFolder, tempFolder } from "../../harness/index.ts";
import { resourceActions } from "../../harness/obtain/resource-actions.ts";
import { keyferry } from "../support/engine.ts";
import { accountOf } from "./support/account.ts";
import { shippers } from "./support/audited.ts";
import { STACK, serverless } from "./support/deployed.ts";
import { everyInlet } from "./support/every-inlet.ts";
import { type Recorder, startRecorder } from "./support/recorder.ts";

interface Statement {
  readonly Sid: string;
  readonly Action: string | readonly string[];
}

interface Policy {
  readonly Statement: readonly Statement[];
}

/** Resources that stay when a stack goes, so that nobody needs to delete them. */
const KEPT: ReadonlySet<string> = new Set(["AWS::DynamoDB::Table", "AWS::KMS::Key"]);

/** What a resource type may need for features that the template does not use. */
const UNUSED: Readonly<Record<string, RegExp>> = {
  "AWS::DynamoDB::Table":
    /Import|Replica|(Update|Enable|Disable)(Contributor|Kinesis)|dynamodb:(Scan|Query|\w+Item|BatchWriteItem)$|(Put|Delete)ResourcePolicy|^(iam|kinesis|logs|s3):|kms:(ListAliases|RevokeGrant)/,
  "AWS::Events::EventBus": /^kms:|Permission$/,
  "AWS::Events::Rule": /iam:PassRole/,
  "AWS::IAM::Policy": /(User|Group)Policy$/,
  "AWS::IAM::Role": /PermissionsBoundary|iam:UpdateRole(Description)?$/,
  "AWS::KMS::Key": /kms:(Disable|EnableKey$)/,
  "AWS::Lambda::EventSourceMapping": /^kms:/,
  "AWS::Lambda::Function":
    /Provisioned|^(elasticfilesystem|s3files|kms):|(Put|Delete)FunctionCodeSigning|lambda:GetCodeSigningConfig|GetLayerVersion|PutRuntimeManagement|Put\w+ScalingConfig|PassCapacityProvider|AssociateRuntimeAlias|PublishVersion/,
  "AWS::Logs::LogGroup":
    /^(s3|firehose):|(Put|Delete)(DataProtection|Resource|Index)Policy|LogDelivery|DisassociateKmsKey|DeleteRetentionPolicy|BearerToken|DeletionProtection/,
  "AWS::Logs::SubscriptionFilter": /iam:PassRole/,
  "AWS::S3::Bucket":
    /^(iam|s3tables):|Acl$|Abac|Analytics|Cors$|CORS$|Inventory|Metrics|MetadataTable|Metadata\w+Table|Notification|Replication|Website|Accelerate|ObjectLock|Logging|Tiering|s3:DeleteObject|DeleteBucket(Encryption|Lifecycle)/,
};

/**
 * AWS decides with the deployer's own permissions about what CloudFormation creates for it. MiniStack checks only the
 * requests that the deployer sends itself; for the others, the test compares with AWS's own list of what each resource
 * type needs.
 */
describe("the deployer's policy", { timeout: 300_000 }, () => {
  let aws: Ministack;
  let recorder: Recorder;
  let folder: TempFolder;
  let policy: Policy;
  let operator: Policy;
  /** What the operator asked of AWS. */
  let asked: Recorder;
  let env: Readonly<Record<string, string>>;
  let credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };

  before(async () => {
    folder = await tempFolder("package");
    aws = await startMinistack({ env: { AUTH: "true" } });
    recorder = await startRecorder(aws.url);
    const text = await readFile(new URL("../../../infra/deployer-policy.json", import.meta.url), "utf8");
    policy = JSON.parse(text) as typeof policy;
    credentials = await userWith(aws, "deployer", text);
    const own = { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey };
    env = { ...aws.env, ...own, AWS_ENDPOINT_URL: recorder.url };
  });
  after(async () => {
    await recorder?.[Symbol.asyncDispose]();
    await asked?.[Symbol.asyncDispose]();
    await aws?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const allowed = () => actionsIn(policy);
  const isAllowed = (action: string) => allowed().some((pattern) => matches(pattern, action));

  it("is enough for a first deployment, an upgrade and a removal", async () => {
    // With every inlet, since an inlet needs permissions of its own.
    await shippers(aws, () => "").prepare();
    await serverless("package", folder.path, {}, ["--param", `settings=${await everyInlet(folder.path)}`]);
    await serverless("deploy", folder.path, env);
    const outputs = await accountOf(aws).outputs(STACK);
    assert.match(outputs.FleetLocation ?? "", /^s3:\/\/keyferry-/);
    await changeTemplate(folder.path);
    await serverless("deploy", folder.path, env);
    await mayNotReadTheFleet(outputs.FleetLocation ?? "");
    await operate();
    await serverless("remove", folder.path, env);
    await assert.rejects(accountOf(aws).outputs(STACK), /does not exist/);
  });

  it("has every action that those requests needed", () => {
    assert.ok(recorder.actions.size >= 12, [...recorder.actions].join());
    assert.deepEqual(
      [...recorder.actions].filter((action) => !isAllowed(action)),
      [],
    );
  });

  it("has what CloudFormation needs for the template's resources, by AWS's list, and nothing else", async () => {
    const needed = new Set(recorder.actions);
    for (const [type, actions] of await neededBy(folder.path)) {
      const missing = actions.filter((action) => !isAllowed(action));
      assert.deepEqual(missing, [], type);
      for (const action of actions) needed.add(action);
    }
    const unneeded = allowed().filter((pattern) => ![...needed].some((action) => matches(pattern, action)));
    assert.deepEqual(unneeded, []);
  });

  it("does not reach beyond stacks of keyferry", async () => {
    const client = new CloudFormationClient({ ...aws.clientConfig, credentials });
    const TemplateBody = JSON.stringify({ Resources: { Queue: { Type: "AWS::SQS::Queue" } } });
    await assert.rejects(
      client.send(new CreateStackCommand({ StackName: "other", TemplateBody })),
      /AccessDenied|denied/i,
    );
  });

  it("fits into one managed policy", () => {
    assert.ok(JSON.stringify(policy).length <= 6_144, `${JSON.stringify(policy).length} characters`);
  });

  it("leaves the daily work to an operator, whose policy has what the commands need, and nothing else", () => {
    assert.deepEqual(
      [...asked.actions].filter((action) => !actionsIn(operator).some((pattern) => matches(pattern, action))),
      [],
    );
    const unused = actionsIn(operator).filter(
      (pattern) => ![...asked.actions].some((action) => matches(pattern, action)),
    );
    // Asked for by AWS itself, and needed once there are rows.
    const notHere = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem", "sqs:SendMessage"];
    // Of dead letters: asked for at the queue's own address, and read once there are some.
    const letters = ["sqs:GetQueueAttributes", "sqs:ReceiveMessage"];
    assert.deepEqual(unused, [...notHere, ...letters, "kms:Decrypt", "kms:GenerateDataKey"]);
  });

  /** The commands of a person who may not deploy. */
  async function operate(): Promise<void> {
    asked = await startRecorder(aws.url);
    const text = await readFile(new URL("../../../infra/operator-policy.json", import.meta.url), "utf8");
    operator = JSON.parse(text) as typeof operator;
    // MiniStack takes a question about a function's concurrency for a change of it.
    const misnamed = text.replace('"lambda:GetFunctionConcurrency"', '"lambda:PutFunctionConcurrency"');
    const { accessKeyId, secretAccessKey } = await userWith(aws, "operator", misnamed);
    const keys = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const own = { ...aws.env, ...keys, AWS_ENDPOINT_URL: asked.url };
    const run = (...args: readonly string[]) => keyferry([...args, "--stack", STACK], own);
    const path = join(folder.path, "fleet.yaml");
    const server = { url: "https://127.0.0.1:1", tokenFile: "token" };
    const fleet = (name: string) =>
      JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters: [{ name, connect: { server } }] });
    await writeFile(join(folder.path, "token"), "s3cret", { mode: 0o600 });
    await writeFile(path, fleet("one"));
    const pushed = await run("fleet", "push", "--fleet", path);
    assert.equal(pushed.code, 0, pushed.stderr);
    // What no fleet names any more goes with the second push after it.
    await writeFile(path, fleet("one").replace('"token"', '"other"'));
    await writeFile(join(folder.path, "other"), "s3cret", { mode: 0o600 });
    assert.equal((await run("fleet", "push", "--fleet", path, "--prune")).code, 0);
    const pruned = await run("fleet", "push", "--fleet", path, "--prune");
    assert.match(pruned.stdout, /^- token +removed/m);
    const planned = await run("plan");
    assert.deepEqual([planned.code, /cluster one: KUBE_UNREACHABLE/.test(planned.stdout)], [1, true], planned.stderr);
    assert.match(planned.stdout, /this machine does not reach everything; the functions of keyferry-test may/);
    const examined = await run("doctor");
    assert.doesNotMatch(examined.stdout, /CHECK_FAILED|STACK_NOT_CHECKED/);
    const { stderr, stdout } = await run("status");
    assert.doesNotMatch(stderr + stdout, /DENIED/);
  }

  async function mayNotReadTheFleet(location: string): Promise<void> {
    const [, Bucket = ""] = /^s3:\/\/([^/]+)\//.exec(location) ?? [];
    const mine = new S3Client({ ...aws.clientConfig, credentials, forcePathStyle: true });
    await assert.rejects(mine.send(new GetObjectCommand({ Bucket, Key: "fleet.yaml" })), { name: "AccessDenied" });
    await assert.rejects(mine.send(new PutObjectCommand({ Bucket, Key: "fleet.yaml", Body: "" })), {
      name: "AccessDenied",
    });
  }
});

function actionsIn({ Statement }: Policy): readonly string[] {
  return Statement.flatMap(({ Action }) => Action);
}

async function userWith(aws: Ministack, UserName: string, PolicyDocument: string) {
  const iam = new IAMClient(aws.clientConfig);
  await iam.send(new CreateUserCommand({ UserName }));
  await iam.send(new PutUserPolicyCommand({ UserName, PolicyName: UserName, PolicyDocument }));
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName }));
  return { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
}

/** `*` in the action of a policy stands for any characters. */
function matches(pattern: string, action: string): boolean {
  return new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(action);
}

/** An upgrade that changes something. */
async function changeTemplate(folder: string): Promise<void> {
  for (const file of ["cloudformation-template-update-stack.json", "serverless-state.json"]) {
    const path = join(folder, file);
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replaceAll('"RetentionInDays": 30', '"RetentionInDays": 60'));
  }
}

/** For each resource type of the packaged template, the actions for what the template uses of it. */
async function neededBy(folder: string): Promise<readonly (readonly [string, readonly string[]])[]> {
  const text = await readFile(join(folder, "cloudformation-template-update-stack.json"), "utf8");
  const { Resources } = JSON.parse(text) as { Resources: Record<string, { readonly Type: string }> };
  const types = [...new Set(Object.values(Resources).map(({ Type }) => Type))].sort();
  const actions = await resourceActions(types);
  return types.map((type) => {
    const { create = [], read = [], update = [], delete: remove = [] } = actions[type] ?? {};
    const changing = [...create, ...update, ...(KEPT.has(type) ? [] : remove)];
    const used = changing.filter((action) => !UNUSED[type]?.test(action));
    assert.ok(used.length > 0, `${type} is in AWS's list`);
    return [
      type,
      [
        ...new Set([
          ...used,
          ...read.filter((action) => !/^(iam|kms):/.test(action) || type.includes("IAM") || type.includes("KMS")),
        ]),
      ],
    ];
  });
}
