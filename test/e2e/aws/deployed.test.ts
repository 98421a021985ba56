import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from "@aws-sdk/client-eventbridge";
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type QueueAttributeName,
  ReceiveMessageCommand,
} from "@aws-sdk/client-sqs";
import type { PushView } from "../../../cli/fleet-view.ts";
import type { SyncKey } from "../../../lib/keys.ts";
import { dynamoClient } from "../../../lib/store/dynamodb/client.ts";
import { TABLE_VERSION, VERSION } from "../../../lib/store/dynamodb/table.ts";
import { toAttributes } from "../../../lib/store/dynamodb/values.ts";
import { type Cluster, waitFor } from "../../harness/index.ts";
import { type Place, placeIn } from "../support/place.ts";
import type { LogEntry } from "./support/account.ts";
import { type Deployed, STACK, startDeployed } from "./support/deployed.ts";
import { deployedPlan } from "./support/deployed-plan.ts";
import { A_TICK_MS } from "./support/waits.ts";
import { loginsTo, printedBy } from "./support/workers.ts";

const NS = "team-a";
const AT_WORK = "ApproximateNumberOfMessagesNotVisible";

/** A queue that gets each SecretSynced of the stack's event bus. */
async function listener({ aws, account, outputs }: Deployed): Promise<string> {
  const { QueueUrl = "" } = await account.sqs.send(new CreateQueueCommand({ QueueName: "heard" }));
  const { Attributes } = await account.sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }),
  );
  const client = new EventBridgeClient(aws.clientConfig);
  const rule = { EventBusName: outputs.EventBusName ?? assert.fail("no bus"), Rule: "heard" };
  const EventPattern = JSON.stringify({ source: ["keyferry"], "detail-type": ["SecretSynced"] });
  await client.send(new PutRuleCommand({ Name: rule.Rule, EventBusName: rule.EventBusName, EventPattern }));
  await client.send(new PutTargetsCommand({ ...rule, Targets: [{ Id: "heard", Arn: Attributes?.QueueArn }] }));
  return QueueUrl;
}

/** One stack from its deployment to its removal. Each part goes on where the one before ended, so the file is long. */
describe("keyferry on AWS", { timeout: 1_500_000 }, () => {
  let deployed: Deployed;
  let places: readonly Place[];
  /** The queue of a rule for SecretSynced. */
  let heard: string;

  before(async () => {
    deployed = await startDeployed();
    const { world } = deployed;
    await Promise.all(world.clusters.map((cluster) => world.namespace(cluster, NS)));
    places = world.clusters.map((cluster: Cluster) => placeIn(cluster, NS));
  });
  after(() => deployed?.[Symbol.asyncDispose]());

  const one = (): Place => places[0] ?? assert.fail();
  const key = (name: string, cluster = "one"): string => `${cluster}/VaultStaticSecret/${NS}/${name}`;

  it("says what is wrong while the fleet is missing, with each tick", async () => {
    const { error, payload } = await ticked();
    assert.equal(error, "Unhandled");
    assert.match(JSON.stringify(payload), /fleet\.yaml.*there is no such object: upload fleet\.yaml there/);
    // A line that is late is lost with the process of a failed invocation: the next tick has its own.
    const isLogged = async () => (await deployed.logged("tick", "invocation-failed")).length > 0;
    await waitFor("its line of log, or that of the next tick", isLogged, A_TICK_MS);
  });

  it("uploads no fleet whose kubeconfig needs a program, and tells what is not there yet", async () => {
    const folder = join(deployed.fleetPath, "..");
    const user = { exec: { apiVersion: "client.authentication.k8s.io/v1", command: "aws" } };
    const cluster = { server: "https://a" };
    const context = { cluster: "c", user: "u" };
    const config = {
      users: [{ name: "u", user }],
      clusters: [{ name: "c", cluster }],
      contexts: [{ name: "x", context }],
    };
    await writeFile(join(folder, "exec.yaml"), JSON.stringify({ ...config, "current-context": "x" }), { mode: 0o600 });
    const clusters = [{ name: "one", connect: { kubeconfig: { path: "exec.yaml" } } }];
    const text = JSON.stringify({ apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters });
    await writeFile(join(folder, "bad.yaml"), text);
    const refused = await deployed.keyferry("fleet", "push", "--fleet", join(folder, "bad.yaml"));
    assert.equal(refused.code, 2, refused.stdout);
    assert.match(refused.stderr, /exec\.yaml: user u logs in with an exec plugin \(aws\).*connect\.eks/);
    for (const args of [["fleet", "show"], ["plan"]]) {
      const { code, stderr } = await deployed.keyferry(...args);
      assert.deepEqual([code, /there is no such object: upload it with keyferry fleet push/.test(stderr)], [2, true]);
    }
  });

  it("makes a Secret in two clusters by the rule's own ticks, once the fleet is pushed", async () => {
    heard = await listener(deployed);
    await deployed.world.vault.putKv("kv", "db", { user: "app", password: "one" });
    await Promise.all(places.map((place) => place.declare("db")));
    const pushed = await push();
    assert.deepEqual(pushed.clusters, { added: ["one", "two"], changed: [], left: [] });
    assert.deepEqual(
      pushed.objects.map(({ key: object, action }) => `${action} ${object}`),
      ["create clusters/one.yaml", "create clusters/two.yaml", "create fleet.yaml"],
    );
    await Promise.all(
      places.map((place) => place.secretThat("db", ({ data }) => data.password === "one", 2 * A_TICK_MS)),
    );
    await Promise.all(places.map((place) => place.synced("db")));
  });

  it("tells of it on the stack's event bus, for a rule like any", async () => {
    const found = new Map<string, string>();
    await waitFor(
      "an event for each cluster",
      async () => {
        const { Messages = [] } = await deployed.account.sqs.send(
          new ReceiveMessageCommand({ QueueUrl: heard, MaxNumberOfMessages: 10 }),
        );
        for (const { Body = "" } of Messages) {
          const { source, detail } = JSON.parse(Body) as { source: string; detail: { id: string; key: string } };
          assert.equal(source, "keyferry");
          found.set(detail.id, detail.key);
          assert.doesNotMatch(Body, /"one"[^/]*password|b25l/);
        }
        return found.size >= 2;
      },
      A_TICK_MS,
    );
    assert.deepEqual([...found.values()].sort(), [key("db"), key("db", "two")]);
    await waitFor(
      "the events to be removed from the table",
      async () => {
        const rows = await deployed.leases.read([...found.values()] as SyncKey[], "strong");
        return [...rows.values()].every(({ state }) => state.unsent === undefined);
      },
      A_TICK_MS,
    );
  });

  it("follows a change in Vault", async () => {
    await deployed.world.vault.putKv("kv", "db", { user: "app", password: "two" });
    await Promise.all(places.map((place) => place.secretThat("db", ({ data }) => data.password === "two", A_TICK_MS)));
  });

  it("repairs a hand edit with the next tick", async () => {
    await using _ = deployed.ticking();
    await one().patchSecret("db", { data: { password: "aGFjaw==" } });
    await one().secretThat("db", ({ data }) => data.password === "two", A_TICK_MS);
  });

  it("uploads nothing twice, and shows the fleet as it is", async () => {
    const { objects } = await push();
    assert.ok(objects.every(({ action }) => action === "unchanged"));
    const { code, stdout } = await deployed.keyferry("fleet", "show");
    assert.deepEqual([code, stdout], [0, await readFile(deployed.fleetPath, "utf8")]);
  });

  it("plans from outside what the functions would do, with their fleet or another", async () => {
    const inStep = await deployedPlan(deployed);
    assert.deepEqual([inStep.code, inStep.summary], [0, { none: 2 }], inStep.stderr);
    const folder = join(deployed.fleetPath, "..");
    const fleet = JSON.parse(await readFile(deployed.fleetPath, "utf8")) as { clusters: object[] };
    const smaller = join(folder, "smaller.yaml");
    await writeFile(smaller, JSON.stringify({ ...fleet, clusters: fleet.clusters.slice(0, 1) }));
    const without = await deployedPlan(deployed, "--fleet", smaller);
    assert.deepEqual([without.code, without.departed, without.summary], [3, ["two"], { none: 1, release: 1 }]);
    const dry = await push("--fleet", smaller, "--dry-run", "--prune");
    assert.deepEqual(dry.clusters, { added: [], changed: [], left: ["two"] });
    assert.deepEqual((await deployed.status()).clusters.length, 2, "nothing was done");
  });

  it("shows every sync with keyferry status --stack", async () => {
    const { clusters, syncs } = await deployed.status();
    assert.deepEqual(clusters, [
      { name: "one", state: "ok" },
      { name: "two", state: "ok" },
    ]);
    assert.deepEqual(
      syncs.map((sync) => sync.key),
      [key("db"), key("db", "two")],
    );
    const { code, stdout } = await deployed.keyferry("status");
    assert.equal(code, 0, stdout);
    assert.match(stdout, /one\/VaultStaticSecret\/team-a\/db\s+synced/);
  });

  it("looks at a sync at once with keyferry sync --stack, and tells how it went", async () => {
    await deployed.world.vault.putKv("kv", "slow", { password: "one" });
    await using _ = deployed.ticking();
    const transformation = { templates: { loud: { text: "{{ upper .Secrets.password }}" } } };
    const destination = { name: "slow", create: true, transformation };
    await one().declare("slow", { refreshAfter: "12h", destination });
    await one().secretThat("slow", ({ data }) => data.password === "one" && data.loud === "ONE", A_TICK_MS);
    await deployed.world.vault.putKv("kv", "slow", { password: "two" });
    const planned = await deployedPlan(deployed, key("slow"));
    assert.deepEqual([planned.code, planned.summary], [3, { update: 1 }], planned.stderr);
    const { code, stdout, stderr } = await deployed.keyferry("sync", key("slow"), "--wait");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /team-a\/slow +synced/);
    assert.equal((await one().secret("slow"))?.data.loud, "TWO");
  });

  it("tells the story of a sync with keyferry explain --stack", async () => {
    const { code, stdout, stderr } = await deployed.keyferry("explain", key("slow"));
    assert.equal(code, 0, stderr);
    assert.match(stdout, /State: +synced\n[\s\S]*VaultAuth [\s\S]*found, generation \d+\n[\s\S]*Secret slow, uid /);
  });

  it("changes no table of another layout, whose functions would stop", async () => {
    const client = dynamoClient(deployed.aws.clientConfig);
    const mark = (version: number) =>
      client.send(
        new PutItemCommand({ TableName: deployed.outputs.LeaseTableName, Item: toAttributes({ ...VERSION, version }) }),
      );
    await mark(TABLE_VERSION - 1);
    try {
      const { code, stderr } = await deployed.keyferry("sync", key("slow"));
      assert.deepEqual([code, /deploy this version first; nothing was changed/.test(stderr)], [1, true], stderr);
    } finally {
      await mark(TABLE_VERSION);
    }
  });

  it("tells bad input by its name", async () => {
    const unknown = await deployed.keyferry("sync", key("nobody"));
    assert.deepEqual([unknown.code, /there is no such sync/.test(unknown.stderr)], [2, true], unknown.stderr);
    const noKey = await deployed.keyferry("sync", "db");
    assert.deepEqual([noKey.code, /must be CLUSTER\/KIND\/NAMESPACE\/NAME/.test(noKey.stderr)], [2, true]);
  });

  it("lease-table 13: messages that come twice write nothing", async () => {
    const before = await one().secret("db");
    const message = (lane: string) =>
      JSON.stringify({ v: 1, lane, at: Date.now(), keys: [key("db"), key("db", "two")] });
    await Promise.all(
      [0, 1, 2].flatMap(() => [
        deployed.send("NowQueueUrl", message("now")),
        deployed.send("RefreshQueueUrl", message("refresh")),
      ]),
    );
    await waitFor(
      "all of them to be taken",
      async () => (await messages("ApproximateNumberOfMessages")) === 0,
      A_TICK_MS,
    );
    await waitFor("all of them to be done with", async () => (await messages(AT_WORK)) === 0, A_TICK_MS);
    assert.equal((await one().secret("db"))?.resourceVersion, before?.resourceVersion);
  });

  it("keeps its logins from one invocation to the next", async () => {
    // Each process that runs the function logs in once for each cluster; without that, each read would have its own.
    await waitFor(
      "more reads than logins",
      async () => {
        const reads = (await deployed.world.vault.auditedReads()).get("read kv/data/db") ?? 0;
        const total = await loginsTo(deployed.world.vault);
        return total > 0 && reads > 2 * total;
      },
      2 * A_TICK_MS,
    );
  });

  it("puts a message that is not ours to the dead letters at once, with the reason", async () => {
    await deployed.send("NowQueueUrl", "<html>not ours</html>");
    const url = await deadLettersOf("NowQueueUrl");
    const found = await waitFor(
      "the dead letter",
      async () => {
        const request = { QueueUrl: url, MessageAttributeNames: ["All"], WaitTimeSeconds: 1 };
        return (await deployed.account.sqs.send(new ReceiveMessageCommand(request))).Messages?.[0];
      },
      A_TICK_MS,
    );
    assert.equal(found.Body, "<html>not ours</html>");
    assert.equal(found.MessageAttributes?.reason?.StringValue, "not a keyferry message");
  });

  it("refuses an event of another source", async () => {
    const { error, payload } = await deployed.account.invoke(`${STACK}-reconcile`, { source: "aws.ec2" });
    assert.deepEqual([error, payload], [undefined, { batchItemFailures: [] }]);
    const refusals = () => deployed.logged("reconcile", "event-refused");
    // On a busy machine, this AWS puts a line into the log with the next invocation of the same process.
    await waitFor("the refusal in the log", async () => (await refusals()).length > 0, A_TICK_MS);
    assert.equal((await refusals()).length, 1);
  });

  it("says which permission a role lacks, and goes on when it has it again", async () => {
    {
      await using _ = await deployed.account.forbid(`${STACK}-tick`, "dynamodb:*");
      const { error, payload } = await ticked();
      assert.equal(error, "Unhandled");
      assert.match(JSON.stringify(payload), /DynamoDB refuses \w+ on table [^:]+: allow dynamodb:/);
      const isDenied = ({ line }: LogEntry) => line.code === "STORE_DENIED";
      const isLogged = async () => (await deployed.logged("tick", "invocation-failed")).some(isDenied);
      await waitFor("its line of log, or that of the next tick", isLogged, A_TICK_MS);
    }
    assert.equal((await ticked()).error, undefined);
  });

  it("goes on with the fleet as it was when it is broken", async () => {
    await using _ = deployed.ticking();
    await deployed.uploadFleet("clusters: nonsense");
    await waitFor(
      "the complaint",
      async () => (await deployed.logged("tick", "fleet-unreadable")).at(-1)?.line.message,
      A_TICK_MS,
    );
    // Their next processes have never seen a good one.
    for (const name of ["tick", "reconcile"]) await deployed.account.restart(`${STACK}-${name}`);
    assert.equal((await ticked()).error, undefined);
    await deployed.world.vault.putKv("kv", "db", { user: "app", password: "three" });
    await Promise.all(
      places.map((place) => place.secretThat("db", ({ data }) => data.password === "three", A_TICK_MS)),
    );
    const shown = await deployed.keyferry("fleet", "show");
    assert.deepEqual([shown.code, shown.stdout], [1, "clusters: nonsense"]);
    const { clusters, objects } = await push();
    assert.deepEqual([clusters, objects.at(-1)?.action], [undefined, "update"]);
  });

  it("changes nothing when it is deployed again", async () => {
    const before = await Promise.all(places.map((place) => place.secret("db")));
    await deployed.deploy();
    assert.equal((await ticked()).error, undefined);
    const reads = async () => (await deployed.world.vault.auditedReads()).get("read kv/data/db") ?? 0;
    const then = await reads();
    await waitFor("refreshes of both clusters", async () => (await reads()) >= then + 4, A_TICK_MS);
    const now = await Promise.all(places.map((place) => place.secret("db")));
    assert.deepEqual(
      now.map((secret) => secret?.resourceVersion),
      before.map((secret) => secret?.resourceVersion),
    );
  });

  it("traces each message with its lane and its keys", () => {
    const parts = deployed.traced.filter((part) => part.includes('"name":"message"') && part.includes(key("db")));
    assert.notEqual(parts.length, 0, `${deployed.traced.length} parts`);
    assert.ok(parts.some((part) => part.includes('"lane":"refresh"')));
  });

  it("prints no secret", async () => {
    const text = await printedBy(deployed);
    for (const value of [deployed.world.vault.token, "aGFjaw==", "hvs."])
      assert.equal(text.includes(value), false, value);
  });

  it("is taken away with one command: Secrets and the lease table stay", async () => {
    await deployed.remove();
    await assert.rejects(deployed.account.outputs(STACK), /does not exist/);
    assert.notEqual(await one().secret("db"), undefined);
    assert.equal((await deployed.leases.byCluster("one")).length > 0, true);
  });

  /** Uploads the fleet as people do. */
  async function push(...args: readonly string[]): Promise<PushView> {
    const named = args.includes("--fleet") ? [] : ["--fleet", deployed.fleetPath];
    const { code, stdout, stderr } = await deployed.keyferry("fleet", "push", ...named, ...args, "-o", "json");
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as PushView;
  }

  /** A tick, and once more while what stands for AWS is too busy to answer it. */
  function ticked(): Promise<Awaited<ReturnType<Deployed["tick"]>>> {
    const look = async () => {
      const answer = await deployed.tick();
      return /: (keyferry tries|try) again"/.test(JSON.stringify(answer.payload)) ? undefined : answer;
    };
    return waitFor("an answer of AWS to a tick", look, A_TICK_MS);
  }

  /** So many messages of both lanes are in this state. */
  async function messages(state: QueueAttributeName): Promise<number> {
    const lanes = (["NowQueueUrl", "RefreshQueueUrl"] as const).map(async (url) => {
      const request = { QueueUrl: deployed.outputs[url], AttributeNames: [state] };
      const { Attributes = {} } = await deployed.account.sqs.send(new GetQueueAttributesCommand(request));
      return Number(Attributes[state] ?? 0);
    });
    return (await Promise.all(lanes)).reduce((sum, each) => sum + each, 0);
  }

  async function deadLettersOf(queue: "NowQueueUrl"): Promise<string> {
    return (deployed.outputs[queue] ?? "").replace(/NowQueue-.*/, (await queueNames("NowDeadLetters")) ?? "");
  }

  async function queueNames(part: string): Promise<string | undefined> {
    const { ListQueuesCommand } = await import("@aws-sdk/client-sqs");
    const { QueueUrls = [] } = await deployed.account.sqs.send(new ListQueuesCommand({}));
    return QueueUrls.find((url) => url.includes(part))
      ?.split(`${STACK}-`)
      .at(-1);
  }
});
