import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { CloudFormationClient, CreateStackCommand, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { functionNames } from "../../../infra/bundle.ts";
import { type Ministack, startMinistack, type TempFolder, tempFolder, waitFor } from "../../harness/index.ts";
import { accountOf } from "./support/account.ts";
import { serverless } from "./support/deployed.ts";

const SETTINGS = new URL("../../../infra/settings.yml", import.meta.url);
const BUCKET = "keyferry-packages";
const STACK = "keyferry-test";
const STACK_MS = 180_000;

interface Function {
  readonly Type: string;
  readonly Properties: { readonly Code: { readonly S3Bucket: string; readonly S3Key: string } };
}

/** The steps of infra/terraform/main.tf, because its provider can't be had on every machine. */
describe("a package that another tool deploys", { timeout: 600_000 }, () => {
  let aws: Ministack;
  let folder: TempFolder;
  let template: string;

  before(async () => {
    folder = await tempFolder("package");
    aws = await startMinistack();
    const settings = join(folder.path, "settings.yml");
    await writeFile(settings, `${await readFile(SETTINGS, "utf8")}\ndeploymentBucket: ${BUCKET}\n`);
    await mkdir(join(folder.path, "package"));
    await serverless("package", join(folder.path, "package"), {}, ["--param", `settings=${settings}`]);
    template = join(folder.path, "package/cloudformation-template-update-stack.json");
  });
  after(async () => {
    await aws?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  it("names the bucket of the settings for each function, and makes none of its own", async () => {
    const resources = (JSON.parse(await readFile(template, "utf8")) as { Resources: Record<string, Function> })
      .Resources;
    assert.equal(resources.ServerlessDeploymentBucket, undefined);
    const functions = Object.values(resources).filter(({ Type }) => Type === "AWS::Lambda::Function");
    assert.deepEqual(
      functions.map(({ Properties }) => Properties.Code.S3Bucket),
      (await functionNames()).map(() => BUCKET),
    );
  });

  it("becomes a stack by an upload of its files and its template's address, and its functions run", async () => {
    const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: BUCKET }));
    const put = (Key: string, path: string) =>
      s3.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body: createReadStream(path) }));
    const { Resources } = JSON.parse(await readFile(template, "utf8")) as { Resources: Record<string, Function> };
    for (const { Type, Properties } of Object.values(Resources)) {
      if (Type !== "AWS::Lambda::Function") continue;
      await put(Properties.Code.S3Key, join(folder.path, "package", basename(Properties.Code.S3Key)));
    }
    await put("template.json", template);
    const cloudFormation = new CloudFormationClient(aws.clientConfig);
    const TemplateURL = `${aws.url}/${BUCKET}/template.json`;
    await cloudFormation.send(
      new CreateStackCommand({ StackName: STACK, TemplateURL, Capabilities: ["CAPABILITY_IAM"] }),
    );
    await waitFor(
      "the stack",
      async () => {
        const { Stacks = [] } = await cloudFormation.send(new DescribeStacksCommand({ StackName: STACK }));
        assert.ok(!/FAILED|ROLLBACK/.test(Stacks[0]?.StackStatus ?? ""), Stacks[0]?.StackStatusReason);
        return Stacks[0]?.StackStatus === "CREATE_COMPLETE" || undefined;
      },
      STACK_MS,
    );
    const { payload } = await accountOf(aws).invoke(`${STACK}-tick`);
    assert.match(JSON.stringify(payload), /upload fleet\.yaml there/);
  });
});
