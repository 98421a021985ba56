import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { DeleteItemCommand, DynamoDBClient, ScanCommand } from "@aws-sdk/client-dynamodb";
import { HOUR_MS } from "../../../lib/clock.ts";
import { cleanupKey } from "../../../lib/keys.ts";
import { EMPTY_STATE } from "../../../lib/ports/rows.ts";
import type { HubState } from "../../../lib/ports/store.ts";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { aDeclared, aKey, anIssue, aPushed, aReferenceKey } from "../../builders.ts";
import { betweenWorld, KEY, WHEEL } from "../../contract/dynamodb/between-world.ts";
import { LEASE_MS, START } from "../../contract/lease-store/scene.ts";
import { type Dynalite, startDynalite, TEST_CREDENTIALS } from "../../harness/dynalite.ts";

describe("DynamoDB: a worker that stands still between two requests of one store call", () => {
  let dynalite: Dynalite;
  before(async () => {
    dynalite = await startDynalite();
  });
  after(() => dynalite[Symbol.asyncDispose]());

  const PATH = { path: "kv/db" };
  const pushers = async (it: Awaited<ReturnType<typeof betweenWorld>>) =>
    (await it.other.byPlace("main", PATH)).items.filter(({ role }) => role === "push").map(({ key }) => key);

  it("lease-table 31: after its settle: a path that its row claimed again meanwhile stays the row's", async () => {
    using it = await betweenWorld(dynalite);
    const claimPush = async (now: number) => {
      const claimed = await it.other.claimPush(await it.row(), { now, until: now + LEASE_MS, pushed: [aPushed()] });
      assert.ok(claimed && "lease" in claimed);
      return claimed.lease;
    };
    const first = await claimPush(START);
    // The declaration names another path: this run has emptied the former one, and forgets it.
    it.before("DeleteItemCommand", async () => {
      const again = await claimPush(START + 1);
      const state = { ...EMPTY_STATE, pushed: [aPushed("db", { version: 3 })] };
      assert.equal(await it.other.settle(again, { state, schedule: WHEEL, now: START + 1 }), "settled");
    });
    const outcome = await it.store.settle(first, { state: EMPTY_STATE, schedule: WHEEL, now: START });
    assert.equal(outcome, "settled");
    assert.deepEqual((await it.row()).state.pushed?.length, 1, "the row says that it has it");
    assert.deepEqual(await pushers(it), [KEY], "and so does the index");
  });

  it("lease-table 31: what freed a path of a row that is gone leaves it to the one that is back", async () => {
    using it = await betweenWorld(dynalite);
    const push = async (key = KEY) => {
      const row = (await it.other.read([key], "strong")).get(key) ?? assert.fail();
      const claimed = await it.other.claimPush(row, { now: START, until: START + LEASE_MS, pushed: [aPushed()] });
      assert.ok(claimed && "lease" in claimed);
      return claimed.lease;
    };
    const lease = await push();
    const state = { ...EMPTY_STATE, pushed: [aPushed("db", { version: 3 })] };
    await it.other.settle(lease, { state, schedule: WHEEL, now: START });
    // Its cluster leaves the fleet; the process dies before it removes the index item.
    await dynalite.client.send(
      new DeleteItemCommand({ TableName: it.table, Key: { pk: { S: KEY }, sk: { S: "sync" } } }),
    );
    const rival = aKey("rival");
    await it.other.declare(aDeclared({ key: rival }), START);
    const row = (await it.other.read([rival], "strong")).get(rival) ?? assert.fail();
    it.before("DeleteItemCommand", async () => {
      await it.other.declare(aDeclared(), START + 5);
      const back = await push();
      await it.other.settle(back, { state, schedule: WHEEL, now: START + 5 });
    });
    const claimed = await it.store.claimPush(row, { now: START, until: START + LEASE_MS, pushed: [aPushed()] });
    assert.ok(claimed && "taken" in claimed, "it belongs to the row that is back");
  });

  it("lease-table 28: a sweep of targets leaves one that a row names since", async () => {
    using it = await betweenWorld(dynalite);
    const target = { address: "https://vault.test" };
    // A run that could not log in stored the target, and recorded nothing.
    const first = await it.claim();
    const digest = await it.other.putTarget(target, KEY);
    await it.settle(first.lease);
    it.before("DeleteItemCommand", async () => {
      const { lease } = await it.claim(it.other, START + 1);
      assert.equal(await it.other.putTarget(target, KEY), digest);
      const state = { ...EMPTY_STATE, issues: [anIssue({ target: digest })] };
      await it.other.record(lease, state, START + 1);
      assert.equal(await it.other.settle(lease, { state, schedule: WHEEL, now: START + 1 }), "settled");
    });
    await it.store.sweepTargets(START);
    assert.deepEqual((await it.other.byReference(`target:${digest}`)).items, [KEY], "the row names it");
    await it.other.sweepTargets(START + HOUR_MS);
    await it.other.sweepTargets(START + 2 * HOUR_MS);
    assert.deepEqual(
      (await it.row()).state.issues?.map((issue) => issue.target),
      [digest],
    );
    assert.deepEqual(await it.other.target(digest), target);
  });

  it("lease-table 28: a tombstone that another one overtakes leaves what the clean-up is found by", async () => {
    using it = await betweenWorld(dynalite);
    const target = { address: "https://vault.test" };
    const { lease } = await it.claim();
    const digest = await it.other.putTarget(target, KEY);
    const state = { ...EMPTY_STATE, issues: [anIssue({ target: digest })] };
    await it.other.settle(lease, { state, schedule: WHEEL, now: START });
    const key = cleanupKey(KEY, lease.uid);
    it.before("TransactWriteItemsCommand", async () => {
      assert.equal((await it.other.tombstone(KEY, lease.uid, START + 1))?.key, key);
    });
    assert.equal(await it.store.tombstone(KEY, lease.uid, START + 1), undefined);
    const left = (await it.other.read([key], "strong")).get(key);
    assert.deepEqual(
      left?.state.issues?.map((issue) => issue.target),
      [digest],
    );
    assert.deepEqual((await it.other.byReference(`target:${digest}`)).items, [key], "by its target");
  });

  const hub = (name: string): HubState => ({ readAs: name, members: [] });
  it("a hub that saves its state: a later pass's state stays", async () => {
    using it = await betweenWorld(dynalite);
    const claimed = (await it.other.claimHub("argo", { now: START, until: START + 1_000 })) ?? assert.fail();
    it.before("QueryCommand", async () => {
      const next = (await it.other.claimHub("argo", { now: START + 9, until: START + 2_000 })) ?? assert.fail();
      assert.equal(await it.other.saveHub(next, hub("later"), START + 3_000), true);
    });
    assert.equal(await it.store.saveHub(claimed, hub("first"), START + 5), true);
    assert.equal((await it.other.hubState("argo"))?.state.readAs, "later");
  });

  it("a hub that is removed leaves no part of its state", async () => {
    using it = await betweenWorld(dynalite);
    const claimed = (await it.other.claimHub("argo", { now: START, until: START + 1_000 })) ?? assert.fail();
    assert.equal(await it.other.saveHub(claimed, hub("first"), START + 5), true);
    const ofHub = async () => {
      const { Items = [] } = await dynalite.client.send(new ScanCommand({ TableName: it.table }));
      return Items.filter((item) => JSON.stringify(item).includes("argo")).length;
    };
    assert.ok((await ofHub()) > 1, "a row and a part");
    await it.store.removeHub(claimed);
    assert.equal(await ofHub(), 0);
  });

  it("a settle whose first answer is lost, and that is sent again after the next claim, undoes no index entry", async () => {
    using it = await betweenWorld(dynalite);
    const { endpoint } = dynalite;
    const client = new DynamoDBClient({ region: "us-east-1", endpoint, credentials: TEST_CREDENTIALS });
    const ref = aReferenceKey();
    const state = { ...EMPTY_STATE, refs: [ref] };
    let isFirst = true;
    client.middlewareStack.add(
      (send, { commandName = "" }) =>
        async (args) => {
          if (commandName !== "UpdateItemCommand" || !isFirst) return send(args);
          isFirst = false;
          await send(args);
          // As the SDK does after a time-out: meanwhile another worker has claimed and settled the row.
          const next = await it.claim(it.other, START + 1);
          assert.deepEqual(next.row.state.refs, [ref], "the first one was carried out");
          await it.other.settle(next.lease, { state, schedule: { kind: "parked" }, now: START + 1 });
          return send(args);
        },
      { step: "initialize", name: "again" },
    );
    const store = dynamoLeaseStore({ client, table: it.table });
    const { lease } = await it.claim();
    await store.settle(lease, { state, schedule: { kind: "due", at: START }, now: START });
    client.destroy();
    assert.deepEqual((await it.row()).state.refs, [ref], "the row names it");
    assert.deepEqual((await it.other.byReference(ref)).items, [KEY], "and is found by it");
  });
});
