import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { LINE_EVENT, LINES_EVENT } from "../../../lib/aws/inlet-envelopes.ts";

interface Resource {
  readonly Type: string;
  readonly DependsOn?: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is JSON of many shapes, and a wrong path fails the test
  readonly Properties: any;
}
type Resources = Readonly<Record<string, Resource>>;
interface Inlets {
  inletsFor(settings: object): { readonly Resources?: Resources; readonly Outputs?: object };
}

const { inletsFor } = createRequire(import.meta.url)("../../../infra/events/inlets.cjs") as Inlets;
const FUNCTION = { "Fn::GetAtt": ["VaultAuditLambdaFunction", "Arn"] };

const resourcesFor = (settings: object): Resources => inletsFor(settings).Resources ?? {};
const ofType = (resources: Resources, type: string) => Object.values(resources).filter(({ Type }) => Type === type);
const permissions = (resources: Resources) =>
  ofType(resources, "AWS::Lambda::Permission").map(({ Properties }) => Properties);
const statements = (resources: Resources) => resources.VaultAuditInlets?.Properties.PolicyDocument.Statement ?? [];

describe("what may call vault-audit", () => {
  it("is nothing without settings", () => {
    for (const none of [{}, { auditPost: false }, { auditPost: "false" }]) assert.deepEqual(inletsFor(none), {});
  });

  it("is each log group, by a subscription of its own that stays when another one goes", () => {
    const both = resourcesFor({ auditLogGroups: ["/vault/a", "/vault/b"], auditLogFilter: '"response"' });
    const [first] = ofType(both, "AWS::Logs::SubscriptionFilter");
    assert.deepEqual(first?.Properties, {
      LogGroupName: "/vault/a",
      FilterPattern: '"response"',
      DestinationArn: FUNCTION,
    });
    const permission = both[first?.DependsOn ?? ""]?.Properties;
    assert.equal(permission.Principal, "logs.amazonaws.com");
    assert.match(permission.SourceArn["Fn::Sub"], /:log-group:\/vault\/a:\*$/);
    assert.deepEqual(permission.SourceAccount, { Ref: "AWS::AccountId" });
    const one = resourcesFor({ auditLogGroups: ["/vault/b"] });
    for (const name of Object.keys(one)) assert.ok(name in both, name);
  });

  it("is a rule for the sources, on their bus, that gives up after six hours and keeps what it could not deliver", () => {
    const resources = resourcesFor({ auditSources: ["vault.a", "vault.b"], auditBus: "audit" });
    const { EventPattern, EventBusName, Targets } = resources.AuditLinesRule?.Properties ?? {};
    assert.deepEqual(EventPattern, { source: ["vault.a", "vault.b"], "detail-type": [LINE_EVENT, LINES_EVENT] });
    assert.equal(EventBusName, "audit");
    assert.deepEqual(Targets[0].RetryPolicy.MaximumEventAgeInSeconds, 6 * 3_600);
    assert.deepEqual(Targets[0].DeadLetterConfig, { Arn: { "Fn::GetAtt": ["VaultAuditFailures", "Arn"] } });
    const [statement] = resources.VaultAuditFailuresPolicy?.Properties.PolicyDocument.Statement ?? [];
    assert.deepEqual(statement.Condition.ArnEquals["aws:SourceArn"], [{ "Fn::GetAtt": ["AuditLinesRule", "Arn"] }]);
  });

  it("is a rule for new objects of each place, which the function may read, and nothing else of the bucket", () => {
    const resources = resourcesFor({ auditObjects: ["logs/vault/a/", "logs/vault/b/", "all"] });
    const details = ofType(resources, "AWS::Events::Rule").map(({ Properties }) => Properties.EventPattern.detail);
    assert.deepEqual(details, [
      { bucket: { name: ["logs"] }, object: { key: [{ prefix: "vault/a/" }] } },
      { bucket: { name: ["logs"] }, object: { key: [{ prefix: "vault/b/" }] } },
      { bucket: { name: ["all"] } },
    ]);
    const arn = (text: string) => ({ "Fn::Sub": `arn:\${AWS::Partition}:s3:::${text}` });
    assert.deepEqual(
      statements(resources).map(({ Action, Resource: on }: { Action: string; Resource: object }) => [Action, on]),
      [
        ["s3:GetObject", [arn("logs/vault/a/*"), arn("logs/vault/b/*"), arn("all/*")]],
        ["s3:ListBucket", [arn("logs"), arn("all")]],
      ],
    );
  });

  it("is anybody by the URL, only when it is wanted, since the function verifies signatures", () => {
    const { Resources = {}, Outputs } = inletsFor({ auditPost: "true" });
    assert.deepEqual(Resources.AuditUrl?.Properties, { TargetFunctionArn: FUNCTION, AuthType: "NONE" });
    const actions = permissions(Resources).map(({ Action, Principal }) => [Action, Principal]);
    assert.deepEqual(actions, [
      ["lambda:InvokeFunctionUrl", "*"],
      ["lambda:InvokeFunction", "*"],
    ]);
    assert.deepEqual(Object.keys(Outputs ?? {}), ["AuditUrl"]);
  });

  it("never lets a service of another account call the function", () => {
    const settings = { auditLogGroups: ["g"], auditSources: ["s"], auditObjects: ["b"] };
    const found = permissions(resourcesFor(settings));
    assert.equal(found.length, 3);
    for (const { SourceArn, SourceAccount } of found) {
      assert.notEqual(SourceArn, undefined);
      assert.deepEqual(SourceAccount, { Ref: "AWS::AccountId" });
    }
  });

  it("reads keys of signatures and of objects only where the settings say so", () => {
    const parameter = "arn:aws:ssm:eu-central-1:111122223333:parameter/vault/key";
    const secret = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:vault-key-AbCdEf";
    const key = "arn:aws:kms:eu-central-1:111122223333:key/k";
    const found = statements(resourcesFor({ auditPostKeys: [parameter, secret], auditKmsKeys: [key] }));
    assert.deepEqual(
      found.map(({ Action, Resource: on }: { Action: string; Resource: object }) => [Action, on]),
      [
        ["ssm:GetParameter", [parameter]],
        ["secretsmanager:GetSecretValue", [secret]],
        ["kms:Decrypt", [key]],
      ],
    );
  });
});
