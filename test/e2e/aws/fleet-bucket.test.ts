import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, describe, it } from "node:test";
import {
  CreateBucketCommand,
  HeadObjectCommand,
  PutBucketEncryptionCommand,
  PutObjectCommand,
  S3Client,
} from "@aws-sdk/client-s3";
import { fleetBucket } from "../../../lib/aws/fleet-bucket.ts";
import { type Ministack, startMinistack } from "../../harness/index.ts";
import { keyferry } from "../support/engine.ts";
import { accountOf } from "./support/account.ts";
import { STAND_IN } from "./support/stand-in.ts";

describe("the bucket of a fleet", { timeout: 120_000 }, () => {
  let aws: Ministack;
  let client: S3Client;
  let key: string;

  before(async () => {
    aws = await startMinistack();
    client = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
    key = (await accountOf(aws).createStack("stand-in", STAND_IN)).Key ?? "";
  });
  after(() => aws?.[Symbol.asyncDispose]());

  const bucketNamed = async (Bucket: string) => {
    await client.send(new CreateBucketCommand({ Bucket }));
    return fleetBucket({ client, bucket: Bucket });
  };

  it("takes each object encrypted as its default says", async () => {
    const bucket = await bucketNamed("encrypted");
    const ApplyServerSideEncryptionByDefault = { SSEAlgorithm: "aws:kms", KMSMasterKeyID: key } as const;
    await client.send(
      new PutBucketEncryptionCommand({
        Bucket: "encrypted",
        ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault, BucketKeyEnabled: true }] },
      }),
    );
    await bucket.put("fleet.yaml", "text");
    const head = await client.send(new HeadObjectCommand({ Bucket: "encrypted", Key: "fleet.yaml" }));
    assert.deepEqual([head.ServerSideEncryption, head.SSEKMSKeyId?.includes(key)], ["aws:kms", true]);
  });

  it("replaces only what it was told to replace", async () => {
    const bucket = await bucketNamed("shared");
    assert.equal(await bucket.put("fleet.yaml", "one", "absent"), true);
    assert.equal(await bucket.put("fleet.yaml", "two", "absent"), false);
    const found = await bucket.read("fleet.yaml");
    assert.ok(found !== undefined && found !== "unchanged");
    assert.equal(await bucket.put("fleet.yaml", "three", { tag: found.tag }), true);
    assert.equal(await bucket.put("fleet.yaml", "four", { tag: found.tag }), false);
    const now = await bucket.read("fleet.yaml");
    assert.equal(now !== "unchanged" && now?.text, "three");
  });

  it("tells its own objects from others, of any number", async () => {
    const bucket = await bucketNamed("mixed");
    await client.send(new PutObjectCommand({ Bucket: "mixed", Key: "eu/foreign", Body: "mine" }));
    await bucket.put("eu/ours", "text");
    await bucket.put("us/other", "text");
    assert.deepEqual(await bucket.list("eu/"), ["eu/foreign", "eu/ours"]);
    assert.deepEqual([await bucket.isOurs("eu/foreign"), await bucket.isOurs("eu/ours")], [false, true]);
    await bucket.remove("eu/ours");
    assert.deepEqual(await bucket.list("eu/"), ["eu/foreign"]);
  });

  it("is named when it is missing", async () => {
    const bucket = fleetBucket({ client, bucket: "gone" });
    await assert.rejects(bucket.put("fleet.yaml", "text"), {
      code: "STORE_MISSING",
      message: /s3:\/\/gone\/fleet\.yaml/,
    });
    await assert.rejects(bucket.list(""), { code: "STORE_MISSING", message: /bucket gone/ });
  });

  it("does not exist for a stack whose functions have their fleet in their package: push says what to do", async () => {
    const names = ["LeaseTableName", "RenewQueueUrl", "NowQueueUrl", "RefreshQueueUrl", "Installation"];
    const outputs = [...names.map((name) => [name, "x"]), ["FleetLocation", "fleet/fleet.yaml"]];
    const Outputs = Object.fromEntries(outputs.map(([name = "", Value]) => [name, { Value }]));
    await accountOf(aws).createStack("packaged", { Resources: { Queue: { Type: "AWS::SQS::Queue" } }, Outputs });
    const clusters = [{ name: "one", connect: { kubeconfig: { path: "k" } } }];
    const fleet = JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters });
    await writeFile(`${aws.folder}/fleet.yaml`, fleet);
    const args = ["fleet", "push", "--fleet", `${aws.folder}/fleet.yaml`, "--stack"];
    const packaged = await keyferry([...args, "packaged"], aws.env);
    assert.equal(packaged.code, 2, packaged.stdout);
    assert.match(
      packaged.stderr,
      /packaged with the functions \(fleet\/fleet\.yaml\): change the files in fleet\/ and/,
    );
    const missing = await keyferry([...args, "nowhere"], aws.env);
    assert.deepEqual([missing.code, /there is no such stack/.test(missing.stderr)], [2, true], missing.stderr);
    const planned = await keyferry(["plan", "--stack", "packaged"], aws.env);
    assert.deepEqual([planned.code, /add --fleet with the file/.test(planned.stderr)], [2, true], planned.stderr);
  });
});
