import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ConditionalCheckFailedException, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { TABLE_VERSION } from "../../../../lib/store/dynamodb/table.ts";
import { versionGuard } from "../../../../lib/store/dynamodb/version.ts";

/** A table with this version; `others`: what another process makes of it just before our mark. */
function aTable(version: number | undefined, others?: number, asGuest = false) {
  const table = { version, fails: undefined as Error | undefined };
  const asked: string[] = [];
  const send = async (command: unknown) => {
    if (table.fails) throw table.fails;
    if (command instanceof GetItemCommand) {
      assert.equal(command.input.ConsistentRead, true);
      asked.push("read");
      return table.version === undefined ? {} : { Item: { version: { N: String(table.version) } } };
    }
    assert.ok(command instanceof PutItemCommand);
    asked.push("mark");
    if (others !== undefined) table.version = others;
    const { ExpressionAttributeValues: values, ConditionExpression: condition } = command.input;
    const isAsRead =
      condition === "attribute_not_exists(pk)"
        ? table.version === undefined
        : condition === "version = :was" && String(table.version) === values?.[":was"]?.N;
    if (!isAsRead) throw new ConditionalCheckFailedException({ message: "no", $metadata: {} });
    table.version = Number(command.input.Item?.version?.N);
    return {};
  };
  const ask = (_operation: string, work: (options: object) => Promise<unknown>) => work({});
  const guard = versionGuard({ send } as never, "t", ask as never, asGuest);
  return { table, asked, guard };
}

describe("the version of a table", () => {
  it("is read once for reads, and marked by the first write", async () => {
    const { table, asked, guard } = aTable(undefined);
    await Promise.all([guard("GetItem"), guard("Query")]);
    assert.deepEqual([asked, table.version], [["read"], undefined]);
    for (const operation of ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]) await guard(operation);
    assert.deepEqual([asked, table.version], [["read", "mark"], TABLE_VERSION]);
  });

  for (const operation of ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]) {
    it(`is marked by a ${operation}, which comes first`, async () => {
      const { table, guard } = aTable(undefined);
      await guard(operation);
      assert.equal(table.version, TABLE_VERSION);
    });
  }

  it("is not marked again where it is ours, and is where it is the first", async () => {
    const ours = aTable(TABLE_VERSION);
    await ours.guard("PutItem");
    assert.deepEqual(ours.asked, ["read"]);
    const first = aTable(1);
    await first.guard("PutItem");
    assert.deepEqual([first.asked, first.table.version], [["read", "mark"], TABLE_VERSION]);
  });

  it("may be marked by another process at that moment, by ours or by a newer one", async () => {
    const ours = aTable(undefined, TABLE_VERSION);
    await ours.guard("PutItem");
    assert.deepEqual(ours.asked, ["read", "mark", "read"]);
    const newer = aTable(undefined, TABLE_VERSION + 1);
    await assert.rejects(newer.guard("PutItem"), { code: "STORE_INVALID", message: /a newer keyferry/ });
  });

  for (const [version, age] of [
    [TABLE_VERSION + 1, "a newer"],
    [0, "an older"],
  ] as const) {
    it(`of ${age} keyferry is refused, for reads as well, and stays`, async () => {
      const { table, guard } = aTable(version);
      const message = new RegExp(`${age} keyferry \\(layout ${version}, this one has ${TABLE_VERSION}\\)`);
      await assert.rejects(guard("GetItem"), { code: "STORE_INVALID", message });
      await assert.rejects(guard("PutItem"), { code: "STORE_INVALID" });
      assert.equal(table.version, version);
    });
  }

  for (const version of [1, undefined, TABLE_VERSION + 1]) {
    it(`is never marked by a guest, whose writes are refused where it is not the guest's: ${version}`, async () => {
      const { table, asked, guard } = aTable(version, undefined, true);
      const message = /use the version of keyferry that is deployed, or deploy this version first; nothing was changed/;
      for (const operation of ["PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"]) {
        await assert.rejects(guard(operation), { code: "STORE_INVALID", message });
      }
      assert.deepEqual([new Set(asked), table.version], [new Set(["read"]), version]);
    });
  }

  it("lets a guest read a table of the first layout, and write to one of its own", async () => {
    await aTable(1, undefined, true).guard("Query");
    const ours = aTable(TABLE_VERSION, undefined, true);
    await ours.guard("UpdateItem");
    assert.deepEqual(ours.asked, ["read"]);
  });

  it("is read again after a failure, of a read or of a mark", async () => {
    const { table, asked, guard } = aTable(undefined);
    table.fails = new Error("away");
    await assert.rejects(guard("GetItem"), /away/);
    table.fails = undefined;
    await guard("GetItem");
    table.fails = new Error("away");
    await assert.rejects(guard("PutItem"), /away/);
    table.fails = undefined;
    await guard("PutItem");
    assert.deepEqual(asked, ["read", "mark"]);
  });
});
