import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, it } from "node:test";
import { groupCommit } from "../../../lib/store/sqlite/group-commit.ts";
import { tempFolder } from "../../harness/index.ts";

/** A database in a file, how often a transaction was begun in it, and another connection that can lock it. */
async function aDatabase() {
  const folder = await tempFolder("group-commit");
  const path = join(folder.path, "state.sqlite");
  const database = new DatabaseSync(path, { timeout: 1 });
  database.exec("CREATE TABLE t (n INTEGER PRIMARY KEY)");
  const other = new DatabaseSync(path);
  let begun = 0;
  let afterwards = () => {};
  const counted = {
    exec: (sql: string) => {
      database.exec(sql);
      afterwards();
    },
    prepare: (sql: string) => {
      const statement = database.prepare(sql);
      const isBegin = sql.startsWith("BEGIN");
      const run = () => {
        if (isBegin) begun++;
        return statement.run();
      };
      return { run };
    },
  } as unknown as DatabaseSync;
  const commit = groupCommit(counted, (error) => (error instanceof Error ? error.message : error));
  const insert = database.prepare("INSERT INTO t (n) VALUES (?)");
  return {
    other,
    add: (n: number) => commit.add(() => insert.run(n)),
    lock: () => other.exec("BEGIN IMMEDIATE"),
    stored: () =>
      other
        .prepare("SELECT n FROM t ORDER BY n")
        .all()
        .map(({ n }) => n),
    begun: () => begun,
    onRollBack: (work: () => void) => {
      afterwards = work;
    },
    [Symbol.asyncDispose]: () => {
      database.close();
      other.close();
      return folder[Symbol.asyncDispose]();
    },
  };
}

const outcomes = async (changes: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(changes)).map((one) => (one.status === "rejected" ? one.reason : "committed"));

describe("changes that share a commit", () => {
  it("all fail at once while another process keeps the lock, and wait for it once", async () => {
    await using it = await aDatabase();
    it.lock();
    const told = await outcomes([1, 2, 3, 4, 5].map(it.add));
    assert.deepEqual(told, Array(5).fill("database is locked"));
    assert.equal(it.begun(), 1);
    it.other.exec("COMMIT");
    assert.deepEqual(await outcomes([6, 7].map(it.add)), ["committed", "committed"]);
    assert.deepEqual(it.stored(), [6, 7]);
  });

  it("are committed one by one when one of them fails, which alone is told", async () => {
    await using it = await aDatabase();
    const told = await outcomes([1, 2, 2, 3].map(it.add));
    assert.deepEqual(told, ["committed", "committed", "UNIQUE constraint failed: t.n", "committed"]);
    assert.deepEqual(it.stored(), [1, 2, 3]);
  });

  it("wait once for a lock that another process takes before they are tried one by one", async () => {
    await using it = await aDatabase();
    it.onRollBack(it.lock);
    const told = await outcomes([1, 1, 2, 3].map(it.add));
    assert.deepEqual(told, Array(4).fill("database is locked"));
    assert.equal(it.begun(), 2);
  });
});
