import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
} from "@aws-sdk/client-sqs";
import { tempFolder, waitFor } from "../../harness/index.ts";
import { type Place, placeIn } from "../support/place.ts";
import { startRelay } from "../support/relay.ts";
import { EVENTS, LOG_GROUP, linesOf, POST_KEY, type Shippers, SOURCE, shippers } from "./support/audited.ts";
import { type Deployed, STACK, startDeployed } from "./support/deployed.ts";
import { everyInlet } from "./support/every-inlet.ts";
import { A_TICK_MS } from "./support/waits.ts";

const NS = "team-a";
/** Much less than `refreshAfter`: only an event can be so quick. */
const SOON_MS = A_TICK_MS;
const WAYS = ["bus", "one", "objects", "logs", "post", "relayed", "again"] as const;

/**
 * Real lines of a real Vault, by each way that MiniStack carries as AWS does: PutEvents and a rule, PutObject and a
 * rule, PutLogEvents and a subscription, and the function's URL.
 */
describe("audit lines on AWS", { timeout: 1_200_000 }, () => {
  let deployed: Deployed;
  let place: Place;
  let ship: Shippers;
  /** What was read of Vault until all was in step. */
  let first: ReadonlyMap<string, number>;

  before(async () => {
    deployed = await startDeployed({
      world: { clusters: ["one"] },
      settings: everyInlet,
      before: async (aws) => {
        ship = shippers(aws, () => deployed.outputs.AuditUrl ?? "");
        await ship.prepare();
      },
    });
    const { world } = deployed;
    const [cluster = assert.fail()] = world.clusters;
    await world.namespace(cluster, NS);
    place = placeIn(cluster, NS);
    for (const name of WAYS) {
      await world.vault.putKv("kv", name, { password: "one" });
      await place.declare(name, { path: name, refreshAfter: "12h", destination: { name, create: true } });
    }
    await world.vault.putKv("kv", "often", { password: "one" });
    // A sweep is spread over the shortest period, so this one makes it short.
    await place.declare("often", { path: "often", refreshAfter: "30s", destination: { name: "often", create: true } });
    await deployed.uploadFleet(await deployed.fleetWith({ events: EVENTS }));
    await using _ = deployed.ticking();
    for (const name of WAYS) await place.synced(name, 2 * A_TICK_MS);
    first = await world.vault.auditedReads();
  });
  after(() => deployed?.[Symbol.asyncDispose]());

  /** The lines of a change, without those of what keyferry reads at the same time: `often` is read all the time. */
  const change = async (name: string, password = "two"): Promise<readonly string[]> => {
    const { vault } = deployed.world;
    const lines = await linesOf(vault, () => vault.putKv("kv", name, { password }));
    return lines.filter((line) => line.includes(`"path":"kv/data/${name}"`));
  };
  const follows = (name: string, password = "two") =>
    place.cluster.waitFor(
      `Secret ${name} with ${password}`,
      async () => (await place.secret(name))?.data.password === password,
      SOON_MS,
    );
  const lineEvent = (lines: readonly string[]) => ({
    source: SOURCE,
    "detail-type": "VaultAuditLines",
    detail: { lines },
  });

  it("reach the Secret by EventBridge, many in an event or one", async () => {
    await ship.putEvents(await change("bus"));
    await follows("bus");
    const lines = await change("one");
    const written = lines.find((line) => line.includes('"response"')) ?? assert.fail();
    await ship.putEvents([written], "VaultAuditLine");
    await follows("one");
  });

  it("reach the Secret by an object in S3", async () => {
    await ship.putObject("2030/01/01/a b+c.log.gz", await change("objects"));
    await follows("objects");
  });

  it("reach the Secret by a subscription of a log group", async () => {
    await ship.putLogs(await change("logs"));
    await follows("logs");
  });

  it("reach the Secret by a signed POST, once", async () => {
    const body = (await change("post")).join("\n");
    const now = Date.now();
    const answer = await ship.post(body, { now });
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.deepEqual(await answer.json(), { lines: 2, bad: 0, nudged: 1 });
    assert.equal((await ship.post(body, { now })).status, 409);
    assert.equal((await ship.post(body, { key: POST_KEY.toUpperCase() })).status, 401);
    assert.equal((await ship.post(body, { now: now - 301_000 })).status, 401);
    await follows("post");
  });

  it("reach the Secret by a relay that follows the audit file", async () => {
    await using folder = await tempFolder("relay");
    const key = join(folder.path, "post.key");
    await writeFile(key, `${POST_KEY}\n`, { mode: 0o600 });
    const follow = ["--follow", deployed.world.vault.auditPath, "--data-dir", folder.path];
    await using relay = await startRelay(["--to", ship.postUrl(), "--key-file", key, ...follow]);
    await change("relayed");
    await follows("relayed");
    assert.equal(await relay.stop(), 0);
  });

  it("are read once for each change, and nothing else is", async () => {
    const reads = await deployed.world.vault.auditedReads();
    // A run that a busy AWS broke off has read for nothing: before the events that is no matter.
    const since = (name: string) => (reads.get(`read kv/data/${name}`) ?? 0) - (first.get(`read kv/data/${name}`) ?? 0);
    for (const name of ["bus", "one", "objects", "logs", "post"]) {
      // One after the event, and at most one by the second look-up.
      assert.ok(since(name) >= 1 && since(name) <= 2, `${name}: ${since(name)}`);
    }
    assert.equal(since("again"), 0);
  });

  it("that are none are counted, and end nothing", async () => {
    await ship.putEvents(["no line", "{}", ...(await change("bus", "three"))]);
    await follows("bus", "three");
  });

  it("come back from the queue of failures until they are taken, and nothing is lost", async () => {
    const QueueUrl = deployed.outputs.VaultAuditFailuresUrl ?? "";
    const { sqs } = deployed.account;
    // Minutes on AWS.
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: { VisibilityTimeout: "3" } }));
    const lines = await change("again");
    {
      await using _ = await deployed.account.forbid(`${STACK}-vault-audit`, "dynamodb:*");
      // This AWS repeats what is invoked so, but not what a rule sends.
      await deployed.account.invokeLater(`${STACK}-vault-audit`, lineEvent(lines));
      const failures = () => deployed.logged("vault-audit", "message-failed");
      await waitFor("a delivery from the queue to fail", async () => (await failures()).length > 0, A_TICK_MS);
      const [failed] = await failures();
      assert.equal(failed?.line.code, "STORE_DENIED");
    }
    await follows("again");
    await waitFor(
      "the queue to be empty",
      async () => {
        const names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"] as const;
        const request = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [...names] });
        const { Attributes = {} } = await sqs.send(request);
        return names.every((name) => Attributes[name] === "0");
      },
      A_TICK_MS,
    );
  });

  it("that were too old are taken, and all syncs of their Vault are looked at", async () => {
    const condition = { requestContext: { condition: "EventAgeExceeded" } };
    const MessageBody = JSON.stringify({ ...condition, requestPayload: lineEvent([]) });
    const before = await deployed.world.vault.auditedReads();
    const QueueUrl = deployed.outputs.VaultAuditFailuresUrl;
    await deployed.account.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
    await waitFor(
      "every path to be read again",
      async () => {
        const now = await deployed.world.vault.auditedReads();
        const of = (name: string, reads: ReadonlyMap<string, number>) => reads.get(`read kv/data/${name}`) ?? 0;
        return WAYS.every((name) => of(name, now) > of(name, before));
      },
      A_TICK_MS,
    );
  });

  it("that come by an inlet of no Vault, or are no event of one, are not used, and people are told", async () => {
    await deployed.uploadFleet();
    await waitFor(
      "the fleet without inlets",
      async () => {
        await ship.putLogs(await change("logs", "nobody"));
        return (await deployed.logged("vault-audit", "inlet-unclaimed")).length > 0;
      },
      A_TICK_MS,
    );
    const [told] = await deployed.logged("vault-audit", "inlet-unclaimed");
    assert.equal(told?.line.inlet, `cloudwatchLogs ${LOG_GROUP}`);
    const { error, payload } = await deployed.account.invoke(`${STACK}-vault-audit`, { source: "aws.ec2" });
    assert.deepEqual([error, payload], [undefined, null]);
    const { sqs } = deployed.account;
    const failures = deployed.outputs.VaultAuditFailuresUrl;
    await sqs.send(new SendMessageCommand({ QueueUrl: failures, MessageBody: "<html>" }));
    const dead = await waitFor(
      "the dead letter",
      async () => {
        const request = { QueueUrl: deployed.outputs.VaultAuditDeadLettersUrl, MessageAttributeNames: ["All"] };
        return (await sqs.send(new ReceiveMessageCommand(request))).Messages?.[0];
      },
      A_TICK_MS,
    );
    assert.deepEqual(
      [dead.Body, dead.MessageAttributes?.reason?.StringValue],
      ["<html>", "it is of no kind that the function takes"],
    );
    const refusals = () => deployed.logged("vault-audit", "event-refused");
    // On a busy machine, this AWS puts a line into the log with the next invocation of the same process.
    await waitFor("the refusal in the log", async () => (await refusals()).length > 0, A_TICK_MS);
    assert.equal((await refusals()).length, 1);
  });
});
