import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { PutItemCommand, ScanCommand } from "@aws-sdk/client-dynamodb";
import { bundleFunctions } from "../../infra/bundle.ts";
import { watchPassesBody } from "../../lib/aws/envelopes.ts";
import { circuitOfVault, suspensionOf } from "../../lib/circuits.ts";
import { dynamoLeaseStore } from "../../lib/store/dynamodb/dynamodb-store.ts";
import { recorded } from "../audit/recorded.ts";
import { type Dynalite, startDynalite } from "../harness/dynalite.ts";
import { type TempFolder, tempFolder } from "../harness/process/temp-folder.ts";
import { busEvent, destinationBody, failuresEvent, urlEvent } from "../unit/aws/inlet-events.ts";
import { throttling } from "./dynamodb/throttling.ts";
import { type Ended, queueEvent, type RunningFunction, startFunction } from "./functions/running.ts";

const BIG = Number.POSITIVE_INFINITY;
const A_WATCH_PASS = queueEvent({ m: watchPassesBody([{ cluster: "east", fence: 0 }]) });
/** The message comes again, and becomes a dead letter in the end: there is an alarm on those. */
const AGAIN: Ended = { result: { batchItemFailures: [{ itemIdentifier: "m" }] } };
const DONE: Ended = { result: { batchItemFailures: [] } };

describe("functions whose world is wrong", { timeout: 180_000 }, () => {
  let dynalite: Dynalite;
  let folder: TempFolder;
  const bundles = new Map<string, string>();

  before(async () => {
    [dynalite, folder] = await Promise.all([startDynalite(), tempFolder("functions")]);
    // Its kubeconfig is missing: a watch pass ends with a named failure, which stands on the cluster's row.
    const clusters = [{ name: "east", connect: { kubeconfig: { path: "kubeconfig" } } }];
    const fleet = { apiVersion: "keyferry.dev/v1alpha1", kind: "Fleet", clusters };
    await writeFile(join(folder.path, "fleet.yaml"), JSON.stringify(fleet));
    await writeFile(join(folder.path, "broken.yaml"), "clusters: nonsense");
    const events = { eventBridge: { source: "vault.main" }, post: { parameter: "/keyferry-test/post/main" } };
    const vaults = [{ name: "main", addresses: ["https://vault.example.com"], events }];
    await writeFile(join(folder.path, "audited.yaml"), JSON.stringify({ ...fleet, vaults }));
    for (const { name, path } of await bundleFunctions(["tick", "discover", "reconcile", "vault-audit"], folder.path)) {
      bundles.set(name, path);
    }
  });
  after(async () => {
    await dynalite?.[Symbol.asyncDispose]();
    await folder?.[Symbol.asyncDispose]();
  });

  const start = (name: string, env: Readonly<Record<string, string>> = {}): Promise<RunningFunction> =>
    startFunction(bundles.get(name) ?? "", folder.path, { AWS_ENDPOINT_URL_DYNAMODB: dynalite.endpoint, ...env });
  /** The codes of what was logged as an error under this event. */
  const codes = (lines: readonly Readonly<Record<string, unknown>>[], event: string): readonly unknown[] =>
    lines.filter((line) => line.event === event && line.level === "error").map(({ code }) => code);
  const counted = (lines: readonly Readonly<Record<string, unknown>>[], metric: string): number =>
    lines.reduce((sum, line) => sum + Number(line[metric] ?? 0), 0);
  const itemsOf = async (TableName: string) =>
    (await dynalite.client.send(new ScanCommand({ TableName }))).Items?.map(({ pk }) => pk?.S).sort();

  it("a table of another version: each invocation says so, no message is lost, nothing is written", async () => {
    const table = await dynalite.createTable();
    const Item = { pk: { S: "version" }, sk: { S: "version" }, version: { N: "99" } };
    await dynalite.client.send(new PutItemCommand({ TableName: table, Item }));
    await using discover = await start("discover", { KEYFERRY_TABLE: table });
    for (let times = 0; times < 2; times++) {
      assert.deepEqual(await discover.invoke(A_WATCH_PASS), AGAIN);
      assert.deepEqual(codes(discover.printed(), "watch-pass-crashed"), ["STORE_INVALID"]);
    }
    await using tick = await start("tick", { KEYFERRY_TABLE: table });
    for (let times = 0; times < 2; times++) {
      assert.equal((await tick.invoke({})).error, "SyncError");
      const lines = tick.printed();
      assert.deepEqual(codes(lines, "invocation-failed"), ["STORE_INVALID"]);
      assert.equal(counted(lines, "keyferry_invocations_failed_total"), 1);
    }
    assert.deepEqual(await itemsOf(table), ["version"]);
  });

  it("a table that is missing: the tick fails by its name, and the alarm on its errors is what people see", async () => {
    await using tick = await start("tick", { KEYFERRY_TABLE: "missing" });
    assert.equal((await tick.invoke({})).error, "SyncError");
    assert.deepEqual(codes(tick.printed(), "invocation-failed"), ["STORE_MISSING"]);
  });

  it("a throttled table: messages come again, and the same process goes on when it is not throttled any more", async () => {
    await using proxy = await throttling(dynalite.endpoint);
    const table = await dynalite.createTable();
    await using discover = await start("discover", {
      KEYFERRY_TABLE: table,
      AWS_ENDPOINT_URL_DYNAMODB: proxy.endpoint,
    });
    proxy.next = BIG;
    assert.deepEqual(await discover.invoke(A_WATCH_PASS), AGAIN);
    assert.deepEqual(codes(discover.printed(), "watch-pass-crashed"), ["STORE_UNAVAILABLE"]);
    assert.deepEqual(await itemsOf(table), []);
    proxy.next = 0;
    assert.deepEqual(await discover.invoke(A_WATCH_PASS), DONE);
    assert.deepEqual(await itemsOf(table), ["clusters", "version"]);
  });

  it("a table that throttles now and then: the request is repeated, and nobody notices", async () => {
    await using proxy = await throttling(dynalite.endpoint);
    const table = await dynalite.createTable();
    await using discover = await start("discover", {
      KEYFERRY_TABLE: table,
      AWS_ENDPOINT_URL_DYNAMODB: proxy.endpoint,
    });
    proxy.next = 2;
    assert.deepEqual(await discover.invoke(A_WATCH_PASS), DONE);
    assert.deepEqual([proxy.refused, codes(discover.printed(), "watch-pass-crashed")], [2, []]);
  });

  it("a Vault that does not answer is counted for the alarm, work that is suspended beside another controller is not", async () => {
    const table = await dynalite.createTable();
    const store = dynamoLeaseStore({ client: dynalite.client, table });
    await using tick = await start("tick", { KEYFERRY_TABLE: table });
    const notDue = Date.now() + 4 * 60_000;
    const of = { code: "OTHER_CONTROLLER", message: "", since: 0, attempts: 1, fence: 1, probeAt: notDue } as const;
    await store.openCircuit({ id: suspensionOf("east"), ...of });
    await tick.invoke({});
    assert.equal(counted(tick.printed(), "keyferry_circuits_open"), 0);
    await store.openCircuit({ id: circuitOfVault("https://vault.example"), ...of });
    await tick.invoke({});
    assert.equal(counted(tick.printed(), "keyferry_circuits_open"), 1);
  });

  it("a message that is not ours, while the dead letters can't be reached, comes again", async () => {
    await using discover = await start("discover", { KEYFERRY_TABLE: await dynalite.createTable() });
    assert.deepEqual(await discover.invoke(queueEvent({ m: "<html>" })), AGAIN);
    assert.deepEqual(codes(discover.printed(), "message-failed"), ["STORE_UNAVAILABLE"]);
  });

  it("one message of many that can't be worked on comes again alone", async () => {
    await using discover = await start("discover", { KEYFERRY_TABLE: await dynalite.createTable() });
    const left = watchPassesBody([{ cluster: "left-the-fleet", fence: 0 }]);
    assert.deepEqual(await discover.invoke(queueEvent({ fine: left, m: "<html>" })), AGAIN);
  });

  it("an event of another source: nothing is done, and it is counted for the alarm", async () => {
    for (const name of ["discover", "reconcile"]) {
      await using function_ = await start(name);
      assert.deepEqual(await function_.invoke({ source: "aws.ec2", detail: {} }), DONE);
      const lines = function_.printed();
      assert.deepEqual(codes(lines, "event-refused").length, 1);
      assert.equal(counted(lines, "keyferry_events_refused_total"), 1);
    }
  });

  it("audit lines while the table is missing: the event comes again, a sender of a POST as well", async () => {
    await using audit = await start("vault-audit", { KEYFERRY_TABLE: "missing", KEYFERRY_FLEET: "audited.yaml" });
    const { lines } = recorded("vault").find(({ kind }) => kind === "kv-v2: write") ?? assert.fail();
    const event = busEvent("vault.main", "VaultAuditLines", { lines });
    assert.equal((await audit.invoke(event)).error, "SyncError");
    assert.deepEqual(codes(audit.printed(), "invocation-failed"), ["STORE_MISSING"]);
    const returned = failuresEvent([destinationBody(event)]);
    assert.deepEqual(await audit.invoke(returned), { result: { batchItemFailures: [{ itemIdentifier: "m0" }] } });
    // The keys can't be read either.
    const { result } = await audit.invoke(urlEvent({ path: "/main", body: Buffer.from("{}") }));
    assert.equal((result as { readonly statusCode: number }).statusCode, 503);
    assert.deepEqual(codes(audit.printed(), "post-failed"), ["STORE_UNAVAILABLE"]);
  });

  it("audit lines of no inlet, and events of another source: acknowledged, and counted for the alarms", async () => {
    await using audit = await start("vault-audit");
    assert.deepEqual(await audit.invoke(busEvent("vault.other", "VaultAuditLine", { line: "{}" })), { result: null });
    assert.equal(counted(audit.printed(), "keyferry_inlet_unclaimed_total"), 1);
    assert.deepEqual(await audit.invoke({ source: "aws.ec2", detail: {} }), { result: null });
    assert.equal(counted(audit.printed(), "keyferry_events_refused_total"), 1);
  });

  it("a fleet that is missing or broken: the invocation fails with what to repair, and its messages come again", async () => {
    for (const [fleet, said] of [
      ["missing.yaml", /missing\.yaml/],
      ["broken.yaml", /broken\.yaml is not valid/],
    ] as const) {
      await using discover = await start("discover", { KEYFERRY_FLEET: fleet });
      assert.equal((await discover.invoke(A_WATCH_PASS)).error, "InputError", fleet);
      const lines = discover.printed();
      assert.match(String(lines.find(({ event }) => event === "invocation-failed")?.message), said);
      assert.equal(counted(lines, "keyferry_invocations_failed_total"), 1);
    }
  });

  it("a digest key that can't be read: nothing is begun without it, and it is asked for again", async () => {
    await using reconcile = await start("reconcile", { KEYFERRY_TABLE: await dynalite.createTable() });
    for (let times = 0; times < 2; times++) {
      assert.equal((await reconcile.invoke(queueEvent({ m: "{}" }))).error, "SyncError");
      assert.deepEqual(codes(reconcile.printed(), "invocation-failed"), ["STORE_UNAVAILABLE"]);
    }
  });
});
