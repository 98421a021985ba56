import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type SendMessageBatchCommandInput,
  SetQueueAttributesCommand,
  SQSClient,
} from "@aws-sdk/client-sqs";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { awsAccess } from "../../../lib/aws/aws-access.ts";
import { sqsBacklog } from "../../../lib/aws/backlog.ts";
import { sharedDigestKey } from "../../../lib/aws/digest-key.ts";
import { sqsDiscoveryQueue } from "../../../lib/aws/discovery-queue.ts";
import { keysOf, parseWatchPasses, parseWork } from "../../../lib/aws/envelopes.ts";
import { s3Objects, s3Versions } from "../../../lib/aws/s3-objects.ts";
import { sqsWorkQueue } from "../../../lib/aws/work-queue.ts";
import { type Clock, SECOND_MS, systemClock } from "../../../lib/clock.ts";
import { accessTo } from "../../../lib/connect/ways.ts";
import { type FleetSource, remoteFleet } from "../../../lib/fleet/fleet-source.ts";
import type { FleetFiles } from "../../../lib/ports/fleet-files.ts";
import type { GoodFleets } from "../../../lib/ports/good-fleets.ts";
import { aKey } from "../../builders.ts";
import { type Ministack, startMinistack, waitFor } from "../../harness/index.ts";
import { counting, QUIET } from "../../unit/aws/records.ts";
import { accountOf } from "./support/account.ts";
import { STAND_IN } from "./support/stand-in.ts";

const connectDeps = (files: FleetFiles, clock: Clock) => ({ files, clock, aws: awsAccess(clock), mayExec: false });

/** The delays that this client asks queues for, in seconds. */
function delaysAsked(client: SQSClient): () => readonly number[] {
  const delays: number[] = [];
  client.middlewareStack.add(
    (next) => (args) => {
      const { Entries = [] } = args.input as SendMessageBatchCommandInput;
      delays.push(...Entries.map(({ DelaySeconds = 0 }) => DelaySeconds));
      return next(args);
    },
    { step: "initialize" },
  );
  return () => delays;
}

describe("adapters to AWS", () => {
  let aws: Ministack;
  let sqs: SQSClient;
  let outputs: Readonly<Record<string, string>>;

  before(async () => {
    aws = await startMinistack();
    sqs = new SQSClient(aws.clientConfig);
    outputs = await accountOf(aws).createStack("stand-in", STAND_IN);
  });
  after(() => aws?.[Symbol.asyncDispose]());

  const aQueue = async (name: string): Promise<string> =>
    (await sqs.send(new CreateQueueCommand({ QueueName: name }))).QueueUrl ?? "";
  const received = async (QueueUrl: string): Promise<string[]> => {
    const bodies: string[] = [];
    for (;;) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
      if (Messages.length === 0) return bodies;
      bodies.push(...Messages.map(({ Body = "" }) => Body));
    }
  };
  const counts = async (QueueUrl: string) => {
    const request = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] });
    const { Attributes = {} } = await sqs.send(request);
    const { ApproximateNumberOfMessages: visible, ApproximateNumberOfMessagesDelayed: delayed } = Attributes;
    return { visible: Number(visible), delayed: Number(delayed) };
  };

  describe("the lanes", () => {
    it("take any number of messages, each in its lane, as they were", async () => {
      const urls = { renew: await aQueue("now"), now: await aQueue("now"), refresh: await aQueue("refresh") };
      const queue = sqsWorkQueue({ client: sqs, urls, clock: systemClock });
      const messages = Array.from({ length: 25 }, (_, n) => ({
        kind: "keys" as const,
        keys: [aKey(`n${n}`)],
        lane: n < 20 ? ("now" as const) : ("refresh" as const),
        at: 1,
      }));
      await queue.send(messages);
      await queue.send([]);
      const found = (await received(urls.now)).map(parseWork);
      assert.deepEqual(
        new Set(found.map((message) => message && keysOf(message)[0])),
        new Set(messages.slice(0, 20).map(({ keys }) => keys[0])),
      );
      assert.equal((await received(urls.refresh)).length, 5);
    });

    it("lease-table 13: keep a message until its time, to the second and never before", async () => {
      const urls = { renew: await aQueue("later"), now: await aQueue("later"), refresh: await aQueue("later-refresh") };
      const now = Date.now();
      const client = new SQSClient(aws.clientConfig);
      const delays = delaysAsked(client);
      const queue = sqsWorkQueue({ client, urls, clock: () => now });
      const at = now + 1_200;
      await queue.send([
        { kind: "keys", keys: [aKey()], lane: "now", at },
        { kind: "keys", keys: [aKey()], lane: "refresh", at: now + 3_600 * SECOND_MS },
      ]);
      await waitFor("the message", async () => (await received(urls.now)).length > 0);
      assert.ok(Date.now() >= at, `${at - Date.now()} ms early`);
      // How late it comes depends on this machine, so: how late it was asked for, and the most that SQS takes.
      assert.deepEqual(
        delays().toSorted((a, b) => a - b),
        [2, 900],
      );
      assert.deepEqual(await counts(urls.refresh), { visible: 0, delayed: 1 });
    });

    it("say which queue is missing, and that AWS is out of reach", async () => {
      const url = `${aws.url}/000000000000/nowhere`;
      const gone = sqsWorkQueue({ client: sqs, urls: { renew: url, now: url, refresh: url }, clock: systemClock });
      const message = { kind: "keys", keys: [aKey()], lane: "now", at: 1 } as const;
      await assert.rejects(gone.send([message]), { code: "STORE_MISSING", message: /^there is no queue nowhere/ });
      const deaf = new SQSClient({ ...aws.clientConfig, endpoint: "http://127.0.0.1:9", maxAttempts: 1 });
      const unreachable = sqsWorkQueue({
        client: deaf,
        urls: { renew: url, now: url, refresh: url },
        clock: systemClock,
      });
      await assert.rejects(unreachable.send([message]), { code: "STORE_UNAVAILABLE" });
    });
  });

  it("the discovery queue carries 50 clusters in a message, or each in its own", async () => {
    const url = await aQueue("discovery");
    const queue = sqsDiscoveryQueue({ client: sqs, url });
    const requests = Array.from({ length: 120 }, (_, n) => ({ cluster: `c${n}`, fence: n }));
    await queue.send(requests);
    const sizes = (await received(url)).map((body) => parseWatchPasses(body)?.length);
    assert.deepEqual(sizes.toSorted(), [20, 50, 50]);
    await queue.sendApart(requests.slice(0, 3));
    assert.deepEqual(
      (await received(url)).map((body) => parseWatchPasses(body)?.length),
      [1, 1, 1],
    );
  });

  it("lease-table 13: a backlog is estimated from what waits, and is none when nothing does", async () => {
    const url = await aQueue("backlog");
    const now = 1_000_000;
    const backlog = sqsBacklog({ client: sqs, url, concurrency: 2, perInvocation: 4, clock: () => now });
    const signal = new AbortController().signal;
    assert.deepEqual(await backlog(signal), {});
    const queue = sqsWorkQueue({ client: sqs, urls: { renew: url, now: url, refresh: url }, clock: systemClock });
    await queue.send(
      Array.from({ length: 80 }, () => ({ kind: "keys", keys: [aKey()], lane: "refresh", at: 1 }) as const),
    );
    assert.deepEqual(await backlog(signal), { oldestAt: now - 20 * SECOND_MS });
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: { VisibilityTimeout: "0" } }));
  });

  describe("the key of digests", () => {
    it("is made once, by whoever is first, and the same for all", async () => {
      const client = new SSMClient(aws.clientConfig);
      const options = { client, parameter: "/stack/digest-key", kmsKey: outputs.Key ?? "", randomBytes };
      const keys = await Promise.all(Array.from({ length: 5 }, () => sharedDigestKey(options)));
      assert.equal(new Set(keys.map(({ id }) => id)).size, 1);
      assert.equal(keys[0]?.bytes.length, 32);
    });

    it("that is not one is refused and not replaced: all digests depend on it", async () => {
      const client = new SSMClient(aws.clientConfig);
      await client.send(new PutParameterCommand({ Name: "/stack/broken", Value: "short", Type: "SecureString" }));
      const options = { client, parameter: "/stack/broken", kmsKey: outputs.Key ?? "", randomBytes };
      await assert.rejects(sharedDigestKey(options), {
        code: "STORE_INVALID",
        message: /\/stack\/broken must hold 32/,
      });
    });
  });

  describe("a fleet in a bucket", () => {
    const KUBECONFIG = "apiVersion: v1\nkind: Config\n";
    let now = 0;
    const metrics = counting();
    const noted = new Map<string, string>();
    const notes: GoodFleets = {
      noted: async (place) => noted.get(place),
      note: async (place, { id }) => void noted.set(place, id),
    };

    const put = (Key: string, Body: string) =>
      new S3Client({ ...aws.clientConfig, forcePathStyle: true }).send(
        new PutObjectCommand({ Bucket: outputs.Bucket ?? "", Key, Body }),
      );
    const fleetAt = (key: string): FleetSource => {
      const bucket = outputs.Bucket ?? "";
      const client = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
      const read = s3Objects({ client, bucket });
      const lastGood = { fleets: notes, read: s3Versions({ client, bucket }) };
      return remoteFleet({ bucket, key, read, lastGood, clock: () => now, log: QUIET, metrics });
    };
    const aFleet = (...clusters: object[]): string =>
      JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters });
    const EAST = { name: "east", connect: { kubeconfig: { path: "./clusters/east.yaml", context: "admin" } } };
    const WEST = {
      name: "west",
      connect: { server: { url: "https://west.example.com", caFile: "west-ca.pem", tokenFile: "west-token" } },
    };

    it("is read with the files beside it, which are put into the kubeconfig", async () => {
      await Promise.all([
        put("prod/fleet.yaml", aFleet(EAST, WEST)),
        put("prod/clusters/east.yaml", KUBECONFIG),
        put("prod/west-ca.pem", "ca"),
        put("prod/west-token", "token\n"),
      ]);
      const source = fleetAt("prod/fleet.yaml");
      const [east, west] = (await source.current()).clusters;
      const access = await accessTo(
        east ?? assert.fail(),
        connectDeps(source.files, () => now),
      );
      assert.deepEqual(access, {
        kubeConfig: { text: KUBECONFIG },
        context: "admin",
        mayExec: false,
        expiresAt: 300 * SECOND_MS,
      });
      assert.equal(await source.files.text("./west-ca.pem"), "ca", "as the CA file of a Vault is read");
      const { kubeConfig } = await accessTo(
        west ?? assert.fail(),
        connectDeps(source.files, () => now),
      );
      assert.match(
        "text" in kubeConfig ? kubeConfig.text : "",
        /certificate-authority-data: Y2E=[\s\S]*token: token\n/,
      );
    });

    it("is read again when it is not fresh, and kept as it was when it broke", async () => {
      const source = fleetAt("changing.yaml");
      const names = async () => (await source.current()).clusters.map(({ name }) => name);
      await assert.rejects(source.current(), /changing\.yaml is not valid:\n {2}there is no such object: upload/);
      await put("changing.yaml", aFleet(EAST));
      assert.deepEqual(await names(), ["east"]);
      await put("changing.yaml", aFleet(EAST, WEST));
      assert.deepEqual(await names(), ["east"]);
      now += 31 * SECOND_MS;
      assert.deepEqual(await names(), ["east", "west"]);
      now += 31 * SECOND_MS;
      assert.deepEqual(await names(), ["east", "west"]);
      await put("changing.yaml", "clusters: broken");
      now += 31 * SECOND_MS;
      assert.deepEqual(await names(), ["east", "west"]);
      assert.equal(metrics.counts.keyferry_fleet_unreadable_total, 1);
      const later = await fleetAt("changing.yaml").current();
      assert.deepEqual(
        later.clusters.map(({ name }) => name),
        ["east", "west"],
        "in another process, too",
      );
      noted.set(`s3://${outputs.Bucket}/changing.yaml`, "gone");
      await assert.rejects(fleetAt("changing.yaml").current(), /changing\.yaml is not valid/);
    });

    it("names the object that is missing, and reaches nothing outside of the bucket", async () => {
      await put("lonely.yaml", aFleet(EAST, { ...EAST, name: "out", connect: { kubeconfig: { path: "../secret" } } }));
      const source = fleetAt("lonely.yaml");
      const [east, out] = (await source.current()).clusters;
      const missing = { code: "REFERENCE_INVALID", message: /there is no object s3:\/\/[^/]+\/clusters\/east\.yaml/ };
      await assert.rejects(
        accessTo(
          east ?? assert.fail(),
          connectDeps(source.files, () => now),
        ),
        missing,
      );
      await assert.rejects(
        accessTo(
          out ?? assert.fail(),
          connectDeps(source.files, () => now),
        ),
        {
          code: "REFERENCE_INVALID",
        },
      );
    });
  });
});
