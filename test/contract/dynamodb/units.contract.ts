import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { DynamoDBClient, GetItemCommand } from "@aws-sdk/client-dynamodb";
import { HOUR_MS } from "../../../lib/clock.ts";
import { EMPTY_STATE, type Row } from "../../../lib/ports/rows.ts";
import type { LeaseStore } from "../../../lib/ports/store.ts";
import { pagesOf } from "../../../lib/references/referring.ts";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { aDeclared, aKey, anIssue, aPushed } from "../../builders.ts";
import { itemBytes } from "../../harness/dynalite/index-units.ts";
import { leaseTable } from "../../harness/dynalite/lease-table.ts";
import { createTable, TEST_CREDENTIALS } from "../../harness/dynalite.ts";
import { LEASE_MS, SLOT, START } from "../lease-store/scene.ts";
import { meter, type Units } from "./meter.ts";
import { TYPICAL_KEY, typicalDeclared, typicalState } from "./typical.ts";

const WHEEL = { kind: "wheel", slot: SLOT } as const;
const LATER = START + HOUR_MS;
const UNITS = ["table", "due", "wheel", "renew", "place", "unsent", "cluster"] as const;

/** The rows of a Markdown table of docs/cost.md, by their first cell. */
function promised(): ReadonlyMap<string, readonly number[]> {
  const text = readFileSync(join(import.meta.dirname, "../../../docs/cost.md"), "utf8");
  const rows = text.split("\n").filter((line) => /^\|.*\|\s*\d+\s*\|$/.test(line));
  return new Map(
    rows.map((line) => {
      const [name = "", ...cells] = line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim());
      return [name, cells.map(Number)];
    }),
  );
}

interface World {
  readonly store: LeaseStore;
  row(): Promise<Row>;
  claim(at?: number): Promise<NonNullable<Awaited<ReturnType<LeaseStore["claim"]>>>["lease"]>;
  /** A typical row: on the wheel after its first sync. */
  settled(): Promise<Row>;
  spent(): Units;
}

/** Asserts, on any DynamoDB API that tells the units of indexes, what docs/cost.md promises for a typical row. */
export function dynamoUnitsContract(name: string, endpoint: () => string): void {
  describe(`what the lease table costs: ${name}`, () => {
    let tables = 0;
    const world = async (): Promise<
      World & Disposable & { readonly client: DynamoDBClient; readonly table: string }
    > => {
      const client = new DynamoDBClient({ region: "us-east-1", endpoint: endpoint(), credentials: TEST_CREDENTIALS });
      const table = `units-${process.pid}-${++tables}`;
      await createTable(client, { ...leaseTable(), TableName: table });
      const { spent } = meter(client);
      const store = dynamoLeaseStore({ client, table });
      // What happens once in the life of a table: its version, and the wheel's period.
      const key = aKey("another");
      await store.declare(aDeclared({ key }), START);
      const first = (await store.read([key], "strong")).get(key) ?? assert.fail();
      const { lease } = (await store.claim(first, { now: START, until: START + LEASE_MS })) ?? assert.fail();
      await store.settle(lease, { state: EMPTY_STATE, schedule: WHEEL, now: START });
      const row = async () => (await store.read([TYPICAL_KEY], "strong")).get(TYPICAL_KEY) ?? assert.fail();
      const claim = async (at = START) =>
        (await store.claim(await row(), { now: at, until: at + LEASE_MS }))?.lease ?? assert.fail();
      const settled = async () => {
        await store.declare(typicalDeclared(), START);
        await store.settle(await claim(), { state: typicalState(), schedule: WHEEL, now: START });
        return row();
      };
      return { client, table, store, row, claim, settled, spent, [Symbol.dispose]: () => client.destroy() };
    };

    /** One operation, after what prepares it. */
    const costs = (what: string, prepare: (world: World) => Promise<() => Promise<unknown>>): void => {
      it(`lease-table 17: ${what}`, async () => {
        using it = await world();
        const operation = await prepare(it);
        it.spent();
        await operation();
        const spent = it.spent();
        const units = UNITS.map((unit) => spent[unit]);
        const total = units.reduce((sum, each) => sum + each, 0);
        assert.deepEqual([...units, total], promised().get(what) ?? assert.fail(`not in docs/cost.md: ${what}`));
      });
    };

    costs("An unchanged refresh", async ({ store, settled }) => {
      await settled();
      return () => store.read([TYPICAL_KEY], "eventual");
    });
    costs(
      "A new declaration",
      async ({ store }) =>
        () =>
          store.declare(typicalDeclared(), START),
    );
    costs("The same declaration again", async ({ store, settled }) => {
      await settled();
      return () => store.declare(typicalDeclared(), LATER);
    });
    costs("A changed declaration", async ({ store, settled }) => {
      await settled();
      return () => store.declare(typicalDeclared({ hash: "another", generation: 2 }), LATER);
    });
    costs("Claim of what is due", async ({ store, row }) => {
      await store.declare(typicalDeclared(), START);
      const read = await row();
      return () => store.claim(read, { now: START, until: START + LEASE_MS });
    });
    costs("Settle of a first sync", async ({ store, claim }) => {
      await store.declare(typicalDeclared(), START);
      const lease = await claim();
      return () => store.settle(lease, { state: typicalState(), schedule: WHEEL, now: START });
    });
    costs("Claim of a refresh that found a difference", async ({ store, settled }) => {
      const read = await settled();
      return () => store.claim(read, { now: LATER, until: LATER + LEASE_MS });
    });
    costs("Settle of a refresh that found a difference", async ({ store, settled, claim }) => {
      await settled();
      const lease = await claim(LATER);
      const state = typicalState({ digest: `0123456789ab:${"e".repeat(44)}`, syncedAt: LATER });
      return () => store.settle(lease, { state, schedule: WHEEL, now: LATER });
    });
    costs("Settle of a failure", async ({ store, settled, claim }) => {
      await settled();
      const lease = await claim(LATER);
      const error = { code: "VAULT_DENIED", message: "Vault refuses to read kv/data/pay/db", since: LATER } as const;
      const schedule = { kind: "due", at: LATER + HOUR_MS } as const;
      return () => store.settle(lease, { state: typicalState({ error, attempts: 1 }), schedule, now: LATER });
    });
    costs("A record before a request that can't be repeated", async ({ store, settled, claim }) => {
      await settled();
      const lease = await claim(LATER);
      const state = typicalState({ issues: [anIssue({ state: "asking" })] });
      return () => store.record(lease, state, LATER);
    });
    costs("Settle of a first sync with a Vault lease, on the renew wheel", async ({ store, claim }) => {
      await store.declare(typicalDeclared(), START);
      const lease = await claim();
      const state = typicalState({ issues: [anIssue()] });
      const renew = { period: 240, phase: 7 };
      // Its period is used for the first time once in the life of a table.
      await store.settle(lease, { state, schedule: { kind: "parked" }, renew, now: START });
      await store.settle(await claim(LATER), { state: EMPTY_STATE, schedule: WHEEL, renew: "off", now: LATER });
      const again = await claim(LATER);
      return () => store.settle(again, { state, schedule: { kind: "parked" }, renew, now: LATER });
    });
    costs("Settle with a domain event that is not sent yet", async ({ store, settled, claim }) => {
      await settled();
      const lease = await claim(LATER);
      const unsent = [{ id: "e", kind: "SecretSynced", at: LATER, detail: {} }];
      return () => store.settle(lease, { state: typicalState({ unsent }), schedule: WHEEL, now: LATER });
    });
    costs("A domain event that was sent, removed", async ({ store, settled, claim }) => {
      await settled();
      const unsent = [{ id: "e", kind: "SecretSynced", at: LATER, detail: {} }];
      const settlement = { state: typicalState({ unsent }), schedule: WHEEL, now: LATER };
      await store.settle(await claim(LATER), settlement);
      return () => store.clearUnsent(TYPICAL_KEY, ["e"]);
    });
    costs("Claim of a row with a path that it pushes to", async ({ store, row }) => {
      await store.declare(typicalDeclared(), START);
      const read = await row();
      return () => store.claimPush(read, { now: START, until: START + LEASE_MS, pushed: [aPushed()] });
    });
    costs("A nudge", async ({ store, settled }) => {
      await settled();
      return () => store.nudge(TYPICAL_KEY, { now: LATER, verify: false });
    });
    costs("A nudge of what is due already", async ({ store }) => {
      await store.declare(typicalDeclared(), START);
      return () => store.nudge(TYPICAL_KEY, { now: LATER, verify: false });
    });
    costs("A declaration that goes and leaves a Secret", async ({ store, settled }) => {
      const { declared } = await settled();
      return () => store.tombstone(TYPICAL_KEY, declared.uid, LATER);
    });
    costs("A tick's dispatchedUntil", async ({ store }) => {
      await store.moveDispatched("refresh", undefined, START);
      return () => store.moveDispatched("refresh", START, LATER);
    });
    costs("Claim of a cluster", async ({ store }) => {
      await store.claimCluster("east", { now: START, until: START + 1 });
      return () => store.claimCluster("east", { now: LATER, until: LATER + LEASE_MS });
    });

    it("lease-table 17: what is found by place costs one query for a path, and one for each partition for a prefix", async () => {
      using it = await world();
      await it.settled();
      const { vault, path } = typicalState().place ?? assert.fail();
      it.spent();
      assert.deepEqual(
        (await it.store.byPlace(vault, { path })).items.map(({ key }) => key),
        [TYPICAL_KEY],
      );
      assert.equal(it.spent().reads, 0.5);
      const found = [];
      for await (const page of pagesOf((at) => it.store.byPlace(vault, { prefix: "platform" }, at)))
        found.push(...page);
      assert.deepEqual(
        found.map(({ key }) => key),
        [TYPICAL_KEY],
      );
      assert.equal(it.spent().reads, 8 * 0.5);
    });

    it("lease-table 17: who refers to something is one strong query", async () => {
      using it = await world();
      const { state } = await it.settled();
      it.spent();
      const { items } = await it.store.byReference(state.refs[0] ?? assert.fail());
      assert.deepEqual(items, [TYPICAL_KEY]);
      assert.equal(it.spent().reads, 1);
    });

    it("lease-table 25: a typical row is under 3 KB, and what is big stands in an item of its own", async (t) => {
      using it = await world();
      const size = async () => {
        const Key = { pk: { S: TYPICAL_KEY }, sk: { S: "sync" } };
        const { Item = {} } = await it.client.send(new GetItemCommand({ TableName: it.table, Key }));
        return itemBytes(Item);
      };
      await it.settled();
      const typical = await size();
      t.diagnostic(`a typical row: ${typical} bytes`);
      assert.ok(typical < 3_072, `${typical} bytes`);
      const spec = { ...typicalDeclared().spec, transformation: { template: "x".repeat(50_000) } };
      await it.store.declare(typicalDeclared({ spec, hash: "big" }), LATER);
      assert.deepEqual((await it.row()).declared.spec, spec);
      assert.ok((await size()) < typical);
    });
  });
}
