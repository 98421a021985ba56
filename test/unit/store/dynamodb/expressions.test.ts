import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { all, fenceIsStill, itemExists, leaseIsStill } from "../../../../lib/store/dynamodb/conditions.ts";
import { conditionOf, updateOf } from "../../../../lib/store/dynamodb/expressions.ts";
import { SHARDS, shardOf, slotOf, slotsOf } from "../../../../lib/store/dynamodb/table.ts";
import { fromAttributes, toAttributes } from "../../../../lib/store/dynamodb/values.ts";
import { aKey } from "../../../builders.ts";

describe("expressions", () => {
  it("an update sets what has a value, removes what has none, and adds", () => {
    const change = { set: { dueAt: 5, leaseUntil: undefined }, add: { nudges: 1 } };
    assert.deepEqual(updateOf(change, all(itemExists, fenceIsStill(7))), {
      UpdateExpression: "SET #dueAt = :dueAt REMOVE #leaseUntil ADD #nudges :nudges",
      ConditionExpression: "attribute_exists(pk) AND fence = :wasFence",
      ExpressionAttributeNames: { "#dueAt": "dueAt", "#leaseUntil": "leaseUntil", "#nudges": "nudges" },
      ExpressionAttributeValues: { ":dueAt": { N: "5" }, ":nudges": { N: "1" }, ":wasFence": { N: "7" } },
    });
  });

  it("a condition without values names none", () => {
    assert.deepEqual(conditionOf(leaseIsStill(undefined)), { ConditionExpression: "attribute_not_exists(leaseUntil)" });
    assert.deepEqual(conditionOf(undefined), {});
  });

  it("what is stored comes back as it was", () => {
    const item = { text: "x", number: 1_893_456_000_000, flag: false, set: new Set([4, 57]) };
    assert.deepEqual(fromAttributes(toAttributes({ ...item, absent: undefined })), item);
    // A type that we never write is no reason to fail the items beside it.
    assert.deepEqual(fromAttributes({ ours: { S: "x" }, theirs: { NULL: true } }), { ours: "x" });
  });
});

describe("places in the indexes", () => {
  it("lease-table 12: 300 s of phases share a slot, so that a slice is one or two queries", () => {
    assert.equal(slotOf({ period: 3_661, phase: 299 }), "3661#0");
    assert.equal(slotOf({ period: 3_661, phase: 300 }), "3661#1");
    assert.deepEqual(slotsOf(3_661, 290, 305), ["3661#0", "3661#1"]);
    assert.deepEqual(slotsOf(51, 0, 50), ["51#0"]);
  });

  it("keys spread over the shards of the due index", () => {
    const counts = new Map<number, number>();
    for (let n = 0; n < 4_000; n++) {
      const shard = shardOf(aKey(`n${n}`));
      counts.set(shard, (counts.get(shard) ?? 0) + 1);
    }
    assert.deepEqual(
      [...counts.keys()].sort(),
      Array.from({ length: SHARDS }, (_, shard) => shard),
    );
    assert.ok([...counts.values()].every((count) => Math.abs(count - 1_000) < 150));
  });
});
