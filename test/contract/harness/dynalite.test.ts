import assert from "node:assert/strict";
import { it } from "node:test";
import { db } from "../../harness/dynalite/dynalite-parts.ts";

const INDEX = { IndexName: "due", KeySchema: [{ AttributeName: "lane" }] };
const ITEM = { pk: { S: "a" }, sk: { S: "a" }, lane: { S: "now" } };

it("dynalite tells the units of an index once, however often its parts are loaded in a process", async () => {
  for (const copy of ["first", "second"]) {
    const parts = await import(`../../harness/dynalite/dynalite-parts.ts?${copy}`);
    parts.openDynalite([INDEX]);
  }
  const asked = { TableName: "leases", ReturnConsumedCapacity: "INDEXES" };
  const consumed = db.addConsumedCapacity(asked, false, undefined, ITEM);
  assert.equal(consumed?.CapacityUnits, 2);
  assert.deepEqual(consumed?.GlobalSecondaryIndexes, { due: { CapacityUnits: 1 } });
});
