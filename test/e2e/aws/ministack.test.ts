import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { DynamoDBClient, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { DecryptCommand, GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { ReceiveMessageCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { type TempFolder, tempFolder, waitFor } from "../../harness/index.ts";
import { type Ministack, startMinistack } from "../../harness/ministack.ts";
import { type Account, accountOf } from "./support/account.ts";
import { AMPLE_S, RETRIED_AFTER_S, STAND_IN } from "./support/stand-in.ts";

const TIMEOUT_MS = 90_000;

/** What the rest of these tests takes for granted of the AWS that they run on. */
describe("the local AWS", { concurrency: true, timeout: 480_000 }, () => {
  let aws: Ministack;
  let account: Account;
  let outputs: Readonly<Record<string, string>>;
  let folder: TempFolder;
  const delivered = (): string => join(folder.path, "deliveries");

  before(async () => {
    folder = await tempFolder("deliveries");
    aws = await startMinistack({ env: { DELIVERIES: delivered() } });
    account = accountOf(aws);
    outputs = await account.createStack("stand-in", STAND_IN);
  });
  after(async () => {
    await aws?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const name = (output: string): string => outputs[output] ?? assert.fail(`no output ${output}`);
  const send = (MessageBody: string, DelaySeconds = 0) =>
    account.sqs.send(new SendMessageCommand({ QueueUrl: name("Queue"), MessageBody, DelaySeconds }));
  /** Waits until the queue of dead letters has this body. */
  const dead = (body: string) =>
    waitFor(
      `the dead letter ${body}`,
      async () => {
        const request = { QueueUrl: name("Dead"), MaxNumberOfMessages: 10, WaitTimeSeconds: 1 };
        const { Messages = [] } = await account.sqs.send(new ReceiveMessageCommand(request));
        return Messages.some(({ Body }) => Body === body);
      },
      TIMEOUT_MS,
    );
  /** Every delivery of this body: when, and which time it was. */
  const deliveries = async (body: string) => {
    const lines = (await readFile(delivered(), "utf8").catch(() => "")).split("\n").slice(0, -1);
    const all = lines.map((line) => JSON.parse(line) as { readonly at: number; readonly got: [string, string][] });
    return all.flatMap(({ at, got }) =>
      got.filter(([found]) => found === body).map(([, times]) => ({ at, times: Number(times) })),
    );
  };

  it("fires a rule each minute", async () => {
    await waitFor(
      "the scheduled function to run",
      async () => (await account.logs(name("Scheduled"))).some(({ line }) => line.schedule === "Scheduled Event"),
      180_000,
    );
  });

  it("runs functions on the Node of this process, warm, with a deadline", async () => {
    const call = async () => (await account.invoke(name("Called"))).payload as { pid: number; times: number };
    const [a, b] = [await call(), await call()];
    assert.deepEqual([b.pid, a.times, b.times], [a.pid, 1, 2]);
    const { line } = await waitFor("its log", async () => {
      // A line that was late is put into the log with the next call.
      await call();
      return (await account.logs(name("Called"))).find((entry) => entry.line.node !== undefined);
    });
    assert.equal(line.node, process.version);
    const most = AMPLE_S * 1_000;
    assert.ok(Number(line.remaining) > most / 2 && Number(line.remaining) <= most, `${line.remaining} of ${most} ms`);
  });

  // One after the other: a message must not share its delivery with one that ends the function.
  describe("a queue", { concurrency: 1 }, () => {
    it("delivers a message after its delay, and not before", async () => {
      const sentAt = Date.now();
      await send("later", 3);
      const [got] = await waitFor(
        "the message",
        async () => {
          const found = await deliveries("later");
          return found.length > 0 && found;
        },
        TIMEOUT_MS,
      );
      assert.ok((got?.at ?? 0) - sentAt >= 2_900, `after ${(got?.at ?? 0) - sentAt} ms`);
    });

    it("delivers what a function reported as failed again after the visibility time-out, then to the dead-letter queue", async () => {
      const sentAt = Date.now();
      await Promise.all([send("fail"), send("fine")]);
      await waitFor("two deliveries", async () => (await deliveries("fail")).length === 2, TIMEOUT_MS);
      const [first, second] = await deliveries("fail");
      assert.deepEqual([first?.times, second?.times], [1, 2]);
      // A function notes what it got some time after the queue gave it.
      assert.ok((second?.at ?? 0) - sentAt >= (RETRIED_AFTER_S - 0.5) * 1_000);
      await dead("fail");
      await waitFor("the other's delivery", async () => (await deliveries("fine")).length > 0, TIMEOUT_MS);
      assert.equal((await deliveries("fine")).length, 1);
    });

    it("ends a function that runs out of time, and delivers its message again", async () => {
      await send("hang");
      await waitFor("two deliveries", async () => (await deliveries("hang")).length === 2, TIMEOUT_MS);
    });

    it("survives a function whose process ends, and delivers its message again", async () => {
      await send("die");
      // After two deliveries. The server's last lines of output are others soon, while other tests ask it.
      await dead("die");
    });
  });

  it("keeps items, objects, keys and parameters", async () => {
    const dynamo = new DynamoDBClient(aws.clientConfig);
    const put = { TableName: name("Table"), Item: { pk: { S: "a" } }, ConditionExpression: "attribute_not_exists(pk)" };
    await dynamo.send(new PutItemCommand(put));
    await assert.rejects(dynamo.send(new PutItemCommand(put)), { name: "ConditionalCheckFailedException" });
    const item = await dynamo.send(
      new GetItemCommand({ TableName: name("Table"), Key: { pk: { S: "a" } }, ReturnConsumedCapacity: "TOTAL" }),
    );
    assert.equal(item.ConsumedCapacity?.CapacityUnits, 0.5);

    const s3 = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
    const object = { Bucket: name("Bucket"), Key: "fleet.yaml" };
    const { ETag } = await s3.send(new PutObjectCommand({ ...object, Body: "kind: Fleet" }));
    const got = await s3.send(new GetObjectCommand(object));
    assert.equal(await got.Body?.transformToString(), "kind: Fleet");
    const unchanged = s3.send(new GetObjectCommand({ ...object, IfNoneMatch: ETag }));
    await assert.rejects(unchanged, (error: { $metadata: { httpStatusCode: number } }) => {
      assert.equal(error.$metadata.httpStatusCode, 304);
      return true;
    });

    const kms = new KMSClient(aws.clientConfig);
    const made = await kms.send(new GenerateDataKeyCommand({ KeyId: name("Key"), KeySpec: "AES_256" }));
    const plain = await kms.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }));
    assert.deepEqual(plain.Plaintext, made.Plaintext);

    const ssm = new SSMClient(aws.clientConfig);
    const parameter = { Name: "/a/b", Value: "v", Type: "SecureString", KeyId: name("Key"), Overwrite: false } as const;
    await ssm.send(new PutParameterCommand(parameter));
    await assert.rejects(ssm.send(new PutParameterCommand(parameter)), { name: "ParameterAlreadyExists" });
    const read = await ssm.send(new GetParameterCommand({ Name: "/a/b", WithDecryption: true }));
    assert.equal(read.Parameter?.Value, "v");
  });

  it("names a stack by an id of its own", () => assert.match(name("Installation"), /^[0-9a-f-]{36}$/));

  it("is gone with its scope, and its functions are too", async () => {
    let pids: number[] = [];
    let folder = "";
    {
      await using other = await startMinistack();
      folder = other.folder;
      const { createStack, invoke } = accountOf(other);
      const { Worker = "" } = await createStack("stand-in", STAND_IN);
      const { payload } = await invoke(Worker);
      pids = [(payload as { pid: number }).pid, other.server.pid() ?? 0];
      for (const pid of pids) assert.ok(existsSync(`/proc/${pid}`) || process.platform !== "linux");
      assert.notEqual(readdirSync(folder).length, 0);
    }
    await waitFor("their processes to be gone", async () => !pids.some((pid) => isAlive(pid)));
    assert.equal(existsSync(folder), false);
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
