import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { MESSAGES_PER_INVOCATION } from "../../../lib/aws/queue-record.ts";
import { SECOND_MS } from "../../../lib/clock.ts";
import { LEASE_MS } from "../../../lib/ports/deps.ts";
import { SWEEP_MS } from "../../../lib/schedule/tick.ts";
import { obtainVenv } from "../../harness/index.ts";
import { type TempFolder, tempFolder } from "../../harness/process/temp-folder.ts";
import { projectOf, serverless } from "./support/deployed.ts";
import { everyInlet } from "./support/every-inlet.ts";
import { withInjector } from "./support/injector-settings.ts";

interface Resource {
  readonly Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON of many shapes, and a wrong path fails the test
  readonly Properties: any;
}

const FUNCTIONS = ["Tick", "Discover", "Reconcile", "VaultAudit", "Inject"] as const;
const QUEUES = ["Renew", "Now", "Refresh", "Discovery"] as const;
/** What may be used on any resource, since AWS knows none for it. */
const ANYWHERE: ReadonlySet<string> = new Set(["xray:PutTraceSegments", "xray:PutTelemetryRecords"]);

describe("the packaged template", () => {
  let folder: TempFolder;
  let path: string;
  let resources: Readonly<Record<string, Resource>>;

  before(async () => {
    folder = await tempFolder("package");
    // A proxy that is not there: whoever asks the network fails.
    const nowhere = "http://127.0.0.1:9";
    await serverless("package", folder.path, { HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere, AWS_ENDPOINT_URL: nowhere });
    path = join(folder.path, "cloudformation-template-update-stack.json");
    resources = (JSON.parse(await readFile(path, "utf8")) as { Resources: Record<string, Resource> }).Resources;
  });
  after(() => folder?.[Symbol.asyncDispose]());

  const properties = (name: string): Resource["Properties"] =>
    (resources[name] ?? assert.fail(`no ${name}`)).Properties;
  const mappings = () => Object.values(resources).filter(({ Type }) => Type === "AWS::Lambda::EventSourceMapping");

  // W3005: the deployment tool names each role twice.
  it("is clean to cfn-lint", () => lint(path, "--ignore-checks", "W3005"));

  it("has a network template beside it that is clean, too", () => lint("infra/network.yml"));

  it("puts each function into the subnets of the settings, with the permission for that", async () => {
    await using own = await tempFolder("package");
    const settings = join(own.path, "settings.yml");
    const changed = (await readFile("infra/settings.yml", "utf8"))
      .replace(/^inVpc: .*/m, "inVpc: true")
      .replace(/^subnetIds: .*/m, "subnetIds: [subnet-1, subnet-2]")
      .replace(/^securityGroupIds: .*/m, "securityGroupIds: [sg-1]");
    await writeFile(settings, changed);
    await serverless("package", own.path, {}, ["--param", `settings=${settings}`]);
    const text = await readFile(join(own.path, "cloudformation-template-update-stack.json"), "utf8");
    const packaged = (JSON.parse(text) as { Resources: Record<string, Resource> }).Resources;
    for (const name of FUNCTIONS) {
      const { VpcConfig } = packaged[`${name}LambdaFunction`]?.Properties ?? {};
      assert.deepEqual(VpcConfig, { SubnetIds: ["subnet-1", "subnet-2"], SecurityGroupIds: ["sg-1"] });
      const [policy] = packaged[`${name}Role`]?.Properties.ManagedPolicyArns ?? [];
      assert.match(policy["Fn::Sub"], /policy\/service-role\/AWSLambdaVPCAccessExecutionRole$/);
    }
  });

  it("lets the two functions that reach clusters use EKS only by the settings, clean to cfn-lint", async () => {
    const allowed = (all: Readonly<Record<string, Resource>>): readonly unknown[] =>
      Object.values(all)
        .filter(({ Type }) => Type === "AWS::IAM::Policy")
        .map(({ Properties }) => [Properties.Roles, Properties.PolicyDocument.Statement.map(actionOf)]);
    const actionOf = ({ Action, Resource: on }: { Action: string; Resource: unknown }) => [Action, on];
    assert.deepEqual(allowed(resources), []);
    await using own = await tempFolder("package");
    const settings = join(own.path, "settings.yml");
    const [cluster, role] = ["arn:aws:eks:eu-central-1:111122223333:cluster/a", "arn:aws:iam::111122223333:role/b"];
    const changed = (await readFile("infra/settings.yml", "utf8"))
      .replace(/^eksClusters: .*/m, `eksClusters: ["${cluster}"]`)
      .replace(/^eksRoles: .*/m, `eksRoles: ["${role}"]`);
    await writeFile(settings, changed);
    await serverless("package", own.path, {}, ["--param", `settings=${settings}`]);
    const packaged = join(own.path, "cloudformation-template-update-stack.json");
    await lint(packaged, "--ignore-checks", "W3005");
    const { Resources: opened } = JSON.parse(await readFile(packaged, "utf8")) as {
      Resources: Record<string, Resource>;
    };
    const actions = [
      ["eks:DescribeCluster", [cluster]],
      ["sts:AssumeRole", [role]],
    ];
    assert.deepEqual(
      allowed(opened),
      ["DiscoverRole", "ReconcileRole"].map((name) => [[{ Ref: name }], actions]),
    );
  });

  it("packages a fleet only if the setting names it, and credentials of clusters only for what reaches them", async () => {
    await using own = await tempFolder("package");
    const project = join((await projectOf(own.path)).path, "fleet");
    await mkdir(project);
    for (const file of ["fleet.yaml", "east.kubeconfig"]) await writeFile(join(project, file), "secret");
    const settings = join(own.path, "settings.yml");
    const ofSetting = async (line: string): Promise<readonly (readonly string[])[]> => {
      await writeFile(settings, `${await readFile("infra/settings.yml", "utf8")}\n${line}\n`);
      await serverless("package", own.path, {}, ["--param", `settings=${settings}`]);
      const zips = await Promise.all(
        ["tick", "discover", "reconcile", "vaultAudit", "inject"].map((name) =>
          readFile(join(own.path, `${name}.zip`)),
        ),
      );
      return zips.map((zip) => ["fleet/fleet.yaml", "fleet/east.kubeconfig"].filter((name) => zip.includes(name)));
    };
    assert.deepEqual(await ofSetting(""), [[], [], [], [], []]);
    const [all, alone] = [["fleet/fleet.yaml", "fleet/east.kubeconfig"], ["fleet/fleet.yaml"]];
    assert.deepEqual(await ofSetting("fleet: fleet/fleet.yaml"), [alone, all, all, alone, []]);
  });

  it("opens the injector's webhook only by its setting, clean to cfn-lint, with its alarms", async () => {
    assert.deepEqual([resources.InjectUrl, resources.InjectPermission], [undefined, undefined]);
    await using own = await tempFolder("package");
    await serverless("package", join(own.path, "package"), {}, await withInjector(own.path));
    const packaged = join(own.path, "package/cloudformation-template-update-stack.json");
    await lint(packaged, "--ignore-checks", "W3005");
    const { Resources: opened } = JSON.parse(await readFile(packaged, "utf8")) as {
      Resources: Record<string, Resource>;
    };
    assert.equal(opened.InjectUrl?.Properties.AuthType, "NONE");
    const actions = ["InjectUrlPermission", "InjectPermission"].map((name) => opened[name]?.Properties.Action);
    assert.deepEqual(actions, ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]);
    assert.equal(opened.InjectLambdaFunction?.Properties.ReservedConcurrentExecutions, 20);
    for (const alarm of ["Failures", "Throttles", "Slow"]) assert.ok(opened[`Inject${alarm}Alarm`], alarm);
  });

  it("has the four clocks in order: function time-out, lease, visibility, the sweep of what is due", () => {
    for (const name of ["Discover", "Reconcile"] as const) {
      assert.ok(properties(`${name}LambdaFunction`).Timeout * SECOND_MS < LEASE_MS, name);
    }
    for (const name of QUEUES) {
      const visibility = properties(`${name}Queue`).VisibilityTimeout * SECOND_MS;
      assert.ok(LEASE_MS < visibility && visibility < SWEEP_MS, name);
      // AWS's own advice for event sources.
      assert.ok(visibility >= 6 * properties("ReconcileLambdaFunction").Timeout * SECOND_MS, name);
    }
    assert.ok(properties("TickLambdaFunction").Timeout < 60);
  });

  it("runs each function on arm64 with Node 24, its log kept for a time and encrypted", () => {
    for (const name of FUNCTIONS) {
      const { Runtime, Architectures, TracingConfig } = properties(`${name}LambdaFunction`);
      assert.deepEqual([Runtime, Architectures, TracingConfig], ["nodejs24.x", ["arm64"], { Mode: "Active" }]);
      const { RetentionInDays, KmsKeyId } = properties(`${name}LogGroup`);
      assert.deepEqual([RetentionInDays, KmsKeyId], [30, { "Fn::GetAtt": ["Key", "Arn"] }]);
    }
  });

  it("lease-table 15: has three lanes, each with its own maximum concurrency and dead letters", () => {
    for (const name of QUEUES) {
      const { RedrivePolicy } = properties(`${name}Queue`);
      assert.deepEqual(RedrivePolicy.deadLetterTargetArn, { "Fn::GetAtt": [`${name}DeadLetters`, "Arn"] });
      assert.ok(RedrivePolicy.maxReceiveCount >= 2, "a second delivery is split, and a third is for what is left");
      const mapping = mappings().find(
        ({ Properties }) => Properties.EventSourceArn["Fn::GetAtt"][0] === `${name}Queue`,
      );
      assert.ok(mapping?.Properties.ScalingConfig.MaximumConcurrency >= 2, name);
      assert.deepEqual(mapping?.Properties.FunctionResponseTypes, ["ReportBatchItemFailures"]);
    }
  });

  it("gives an invocation as many messages as ticks calculate with, and all watch passes of a message at once", () => {
    const sizes = mappings().map(({ Properties }) => [
      Properties.EventSourceArn["Fn::GetAtt"][0],
      Properties.BatchSize,
    ]);
    assert.deepEqual(sizes, [
      ["DiscoveryQueue", 1],
      ["RenewQueue", MESSAGES_PER_INVOCATION],
      ["NowQueue", MESSAGES_PER_INVOCATION],
      ["RefreshQueue", MESSAGES_PER_INVOCATION],
      ["VaultAuditFailures", 1],
    ]);
  });

  it("keeps an event of audit lines for six hours, then in a queue from which the function takes it again", () => {
    const { MaximumEventAgeInSeconds, MaximumRetryAttempts, DestinationConfig } = properties("VaultAuditLambdaEvConf");
    const failures = { "Fn::GetAtt": ["VaultAuditFailures", "Arn"] };
    assert.deepEqual([MaximumEventAgeInSeconds, MaximumRetryAttempts], [6 * 3_600, 2]);
    assert.deepEqual(DestinationConfig, { OnFailure: { Destination: failures } });
    const { VisibilityTimeout, RedrivePolicy } = properties("VaultAuditFailures");
    assert.ok(VisibilityTimeout >= 6 * properties("VaultAuditLambdaFunction").Timeout);
    assert.equal(VisibilityTimeout * RedrivePolicy.maxReceiveCount, 6 * 3_600);
    assert.deepEqual(RedrivePolicy.deadLetterTargetArn, { "Fn::GetAtt": ["VaultAuditDeadLetters", "Arn"] });
  });

  it("is clean to cfn-lint with every inlet that the settings know, too", async () => {
    await using own = await tempFolder("package");
    await serverless("package", own.path, {}, ["--param", `settings=${await everyInlet(own.path)}`]);
    const whole = join(own.path, "cloudformation-template-update-stack.json");
    await lint(whole, "--ignore-checks", "W3005");
    const packaged = JSON.parse(await readFile(whole, "utf8")) as { Resources: Record<string, Resource> };
    const types = new Set(Object.values(packaged.Resources).map(({ Type }) => Type));
    for (const type of ["AWS::Lambda::Url", "AWS::Logs::SubscriptionFilter", "AWS::SQS::QueuePolicy"]) {
      assert.ok(types.has(type), type);
    }
    assert.equal(packaged.Resources.VaultAuditLambdaFunction?.Properties.ReservedConcurrentExecutions, 5);
  });

  it("fires the tick each minute, and does not repeat a failed one: the next comes", () => {
    assert.equal(properties("TickEventsRuleSchedule1").ScheduleExpression, "rate(1 minute)");
    assert.equal(properties("TickLambdaEvConf").MaximumRetryAttempts, 0);
  });

  it("gives each function a role of its own, with named actions on resources of this stack", () => {
    for (const name of FUNCTIONS) {
      assert.deepEqual(properties(`${name}LambdaFunction`).Role, { "Fn::GetAtt": [`${name}Role`, "Arn"] });
      const { Policies, ManagedPolicyArns } = properties(`${name}Role`);
      assert.deepEqual(ManagedPolicyArns, []);
      for (const { Action, Resource, Sid } of Policies[0].PolicyDocument.Statement) {
        const actions = [Action].flat() as string[];
        for (const action of actions) assert.doesNotMatch(action, /\*/, `${name} ${Sid}`);
        const isAnywhere = [Resource].flat().includes("*");
        assert.equal(
          isAnywhere,
          actions.every((action) => ANYWHERE.has(action)),
          `${name} ${Sid}`,
        );
      }
    }
  });

  it("gives the functions its event bus, unless the settings say otherwise", async () => {
    for (const name of FUNCTIONS) {
      const { Variables } = properties(`${name}LambdaFunction`).Environment;
      assert.deepEqual(Variables.KEYFERRY_EVENT_BUS, { Ref: "EventBus" });
    }
    await using own = await tempFolder("package");
    const settings = join(own.path, "settings.yml");
    const text = await readFile("infra/settings.yml", "utf8");
    await writeFile(settings, text.replace(/^domainEvents: .*/m, "domainEvents: false"));
    await serverless("package", own.path, {}, ["--param", `settings=${settings}`]);
    const packaged = await readFile(join(own.path, "cloudformation-template-update-stack.json"), "utf8");
    const { Resources } = JSON.parse(packaged) as { Resources: Record<string, Resource> };
    assert.equal(Resources.ReconcileLambdaFunction?.Properties.Environment.Variables.KEYFERRY_EVENT_BUS, "");
  });

  it("lets only reconcile read the key of digests, and only those that log in to Vault read the key of tokens", () => {
    const statementsOf = (name: string): { Action: string | string[]; Resource: unknown }[] =>
      properties(`${name}Role`).Policies[0].PolicyDocument.Statement;
    const who = (action: string, on = "") =>
      FUNCTIONS.filter((name) =>
        statementsOf(name).some(
          ({ Action, Resource }) => [Action].flat().includes(action) && JSON.stringify(Resource).includes(on),
        ),
      );
    assert.deepEqual(who("ssm:GetParameter", "/digest-key"), ["Reconcile"]);
    assert.deepEqual(who("ssm:GetParameter", "/token-key"), ["Discover", "Reconcile"]);
    assert.deepEqual(who("ssm:GetParameter", "/post/*"), ["VaultAudit"]);
    assert.deepEqual(who("events:PutEvents", '"EventBus","Arn"'), ["Discover", "Reconcile"]);
    assert.deepEqual(who("ssm:GetParameter"), ["Discover", "Reconcile", "VaultAudit"]);
    assert.deepEqual(who("ssm:PutParameter"), ["Discover", "Reconcile"]);
    assert.deepEqual(who("kms:Encrypt"), ["Discover", "Reconcile"]);
    assert.deepEqual(who("sqs:ReceiveMessage"), ["Discover", "Reconcile", "VaultAudit"]);
  });

  it("lets the injector's function use nothing of AWS but its log and traces", () => {
    const { Statement } = properties("InjectRole").Policies[0].PolicyDocument;
    const actions = (Statement as { Action: string[] }[]).flatMap(({ Action }) => Action).sort();
    assert.deepEqual(actions, [
      "logs:CreateLogStream",
      "logs:PutLogEvents",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]);
  });

  it("keeps what is not keyferry's to delete: the lease table, the fleet, and their keys", () => {
    for (const name of ["LeaseTable", "LeaseTableKey", "FleetBucket", "Key"]) {
      const { DeletionPolicy } = resources[name] as unknown as { DeletionPolicy: string };
      assert.equal(DeletionPolicy, "Retain", name);
    }
  });

  it("forgets Vault tokens after their end", () => {
    const ttl = { AttributeName: "expiresAt", Enabled: true };
    assert.deepEqual(properties("LeaseTable").TimeToLiveSpecification, ttl);
  });

  it("alarms each time with what is to be done", () => {
    const alarms = Object.entries(resources).filter(([, { Type }]) => Type === "AWS::CloudWatch::Alarm");
    assert.ok(alarms.length >= 14);
    for (const [name, { Properties }] of alarms) assert.ok(Properties.AlarmDescription.length > 40, name);
    for (const name of QUEUES) assert.ok(resources[`${name}DeadLettersAlarm`], name);
  });
});

async function lint(path: string, ...options: readonly string[]): Promise<void> {
  const run = "import sys; from cfnlint.runner import main; sys.argv[0] = 'cfn-lint'; main()";
  await promisify(execFile)(await obtainVenv("cfn-lint"), ["-c", run, ...options, "--", path]).catch(
    (error: { stdout: string }) => assert.fail(error.stdout),
  );
}
