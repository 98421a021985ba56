import assert from "node:assert/strict";
import { it } from "node:test";
import { dynamoLeaseStore } from "../../../lib/store/dynamodb/dynamodb-store.ts";
import { openSqliteStore } from "../../../lib/store/sqlite/sqlite-store.ts";

it("both stores answer to the same names", async () => {
  await using sqlite = openSqliteStore({ path: ":memory:" });
  const dynamo = dynamoLeaseStore({ client: { send: () => assert.fail("nothing is asked") } as never, table: "t" });
  // An engine keeps look-ups and POSTs over its restart. Functions have queues, and several processes that share notes.
  const { keepLookUps: _keep, lookUps: _kept, forgetLookUps: _forget, ...withoutLookUps } = sqlite;
  const { takenPosts: _taken, rememberPost: _remember, expireLeases: _ofAnEngine, ...named } = withoutLookUps;
  const { tokens: _tokens, ...ofSqlite } = named;
  const { tokens: _sealed, posts: _posts, heard: _heard, goodFleets: _good, ownCalls: _calls, ...ofDynamo } = dynamo;
  assert.deepEqual(Object.keys(ofDynamo).toSorted(), Object.keys(ofSqlite).toSorted());
  const { clearTokens: _beforeAnEngine, ...tokens } = sqlite.tokens();
  assert.deepEqual(Object.keys(dynamo.tokens).toSorted(), Object.keys(tokens).toSorted());
});
