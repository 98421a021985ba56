import assert from "node:assert/strict";
import { it } from "node:test";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";

it("both stores answer to the same names", async () => {
  await using sqlite = openSqliteStore({ path: ":memory:" });
  const dynamo = dynamoLeaseStore({ client: { send: () => assert.fail("nothing is asked") } as never, table: "t" });
  const { expireLeases: _ofAnEngine, tokens: _tokens, ...ofSqlite } = sqlite;
  const { tokens: _sealed, posts: _posts, heard: _heard, ...ofDynamo } = dynamo;
  assert.deepEqual(Object.keys(ofDynamo).toSorted(), Object.keys(ofSqlite).toSorted());
  const { clearTokens: _beforeAnEngine, ...tokens } = sqlite.tokens();
  assert.deepEqual(Object.keys(dynamo.tokens).toSorted(), Object.keys(tokens).toSorted());
});
