import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isSamePath, withoutPath, withPath } from "../../../../lib/destinations/vault/act.ts";
import type { SeenPath } from "../../../../lib/ports/vault-writes.ts";
import { aPushed, aRow } from "../../../builders.ts";
import { aScene, dataOf, digest, type Given, NOW, WANTED } from "./a-scene.ts";

describe("a path of Vault that is read", () => {
  const read = async (given: Given) => (await aScene(given).decide({ kind: "read" })).seen;
  const data = (fields: Readonly<Record<string, string>>, version?: number): SeenPath => ({
    kind: "data",
    fields: dataOf(fields),
    ...(version === undefined ? {} : { version }),
  });

  it("shows what stands there by digests, of all and of the row's own fields", async () => {
    assert.deepEqual(await read({ found: data({ a: "1", b: "2", theirs: "x" }, 3) }), {
      ...{ kind: "data", version: 3, digest: digest({ a: "1", b: "2", theirs: "x" }), ownDigest: WANTED, stale: [] },
    });
    assert.equal("version" in (await read({ found: data({}) })), false);
    assert.deepEqual(await read({ found: { kind: "deleted", version: 4 } }), { kind: "deleted", version: 4 });
  });

  it("shows which of the row's former fields are still there", async () => {
    const recorded = { digest: "x", keys: ["a", "former", "gone"] };
    const seen = await read({ recorded, found: data({ a: "1", former: "f", theirs: "x" }) });
    assert.deepEqual(seen.kind === "data" && seen.stale, ["former"]);
  });

  it("may be one that the login may not read", async () => {
    assert.deepEqual(await read({ found: "VAULT_DENIED" }), { kind: "denied" });
    await assert.rejects(read({ found: "VAULT_FAILED" }), { code: "VAULT_FAILED" });
  });
});

describe("a path of Vault that is written", () => {
  it("lease-table 31: is recorded before, at the version that was decided on, and after with the one that it became", async () => {
    const one = aScene({ recorded: { digest: "old", keys: ["a"], version: 4 } });
    const work = await one.decide({ kind: "put", cas: 4, because: "it differs" });
    assert.deepEqual(one.done, ["takeToWrite", "ask for the mount", "record writing", "put b,a at 4"]);
    const { burst, wroteAt, ...mine } = one.mine() ?? assert.fail();
    assert.deepEqual(mine, { ...aPushed("db"), digest: WANTED, keys: ["a", "b"], version: 5 });
    assert.deepEqual([burst, wroteAt, work.isDone, work.recorded], [{ since: NOW, count: 1 }, NOW, true, one.mine()]);
    assert.deepEqual(one.others(), aPushed("other", { digest: "d" }));
  });

  it("has a record from which a crash can be told", async () => {
    const recordOf = async (given: Given) => {
      const one = aScene({ ...given, result: { kind: "moved" } });
      const work = await one.decide({ kind: "put", cas: 7, because: "it differs" });
      assert.deepEqual([work.seen, work.refusedAt, work.isDone], [{ kind: "unread" }, 7, false]);
      const { writing, writingKeys, writingVersion, keys } = one.atRecord() ?? assert.fail();
      return { writing, writingKeys, writingVersion, keys };
    };
    assert.deepEqual(await recordOf({ recorded: { keys: ["a"] } }), {
      writing: WANTED,
      writingKeys: ["a", "b"],
      writingVersion: 8,
      keys: ["a"],
    });
    assert.deepEqual(await recordOf({ recorded: { keys: ["a", "b"], writingKeys: ["x"] } }), {
      ...{ writing: WANTED, writingKeys: undefined, writingVersion: 8, keys: ["a", "b"] },
    });
    assert.equal((await recordOf({ engine: "kv-v1", recorded: { writingVersion: 3 } })).writingVersion, undefined);
  });

  it("lease-table 31: that is refused leaves the record of the one before, whose answer never came", async () => {
    const before = { writing: "key:before", writingKeys: ["x"], writingVersion: 1 };
    for (const recorded of [before, { digest: "old", keys: ["a"], version: 6 }]) {
      const one = aScene({ recorded, result: { kind: "moved" } });
      const work = await one.decide({ kind: "put", cas: 0, because: "a Secret changed" });
      const { burst: _burst, wroteAt, ...left } = one.mine() ?? assert.fail();
      assert.deepEqual([left, wroteAt, work.recorded], [{ ...aPushed("db"), ...recorded }, NOW, one.mine()]);
    }
  });

  it("has no version in kv-v1", async () => {
    const one = aScene({ engine: "kv-v1", recorded: { version: 2 }, result: { kind: "written" } });
    await one.decide({ kind: "put", cas: 0, because: "it differs" });
    assert.equal("version" in (one.mine() ?? {}), false);
  });

  it("loses the row's former fields when it is merged with", async () => {
    const seen = { kind: "data", version: 3, digest: "x", ownDigest: "y", stale: ["former"] } as const;
    const one = aScene({ seen });
    await one.decide({ kind: "patch", cas: 3, because: "it differs" });
    assert.equal(one.done.at(-1), "patch b,a,-former at 3");
    const unread = aScene();
    await unread.decide({ kind: "patch", cas: 0, because: "it differs" });
    assert.equal(unread.done.at(-1), "patch b,a at 0");
  });

  it("is on a mount that is still one of kv-v2, which a read of this run shows too", async () => {
    const asks = async (given: Given, kind: "put" | "patch" = "put") => {
      const one = aScene(given);
      await one.decide({ kind, cas: 3, because: "it differs" });
      return one.done.includes("ask for the mount");
    };
    const data = { kind: "data", version: 3, digest: "x", ownDigest: "y", stale: [] } as const;
    for (const kind of ["unread", "denied", "absent"] as const)
      assert.equal(await asks({ seen: { kind } }), true, kind);
    assert.deepEqual(
      [await asks({ seen: data }), await asks({ seen: { kind: "deleted", version: 3 } })],
      [false, false],
    );
    assert.deepEqual([await asks({ engine: "kv-v1" }), await asks({}, "patch")], [false, false]);
    const other = aScene({ isStill: false });
    await assert.rejects(other.decide({ kind: "put", cas: 0, because: "it is new" }), { code: "VAULT_ANSWER_INVALID" });
    assert.deepEqual(other.done, ["takeToWrite", "ask for the mount"], "nothing is recorded or written");
  });

  it("is one that the row has claimed: anything else is a bug", async () => {
    const one = aScene({ isClaimed: false });
    await assert.rejects(one.decide({ kind: "put", cas: 0, because: "it differs" }), /has not claimed/);
    assert.deepEqual(one.done, ["takeToWrite"]);
  });
});

describe("a path of Vault that holds what is wanted", () => {
  it("is recorded, under the lease", async () => {
    const one = aScene({ recorded: { writing: "w", writingVersion: 3, writingKeys: ["x"] } });
    const work = await one.decide({ kind: "record", version: 3 });
    assert.deepEqual(
      [one.done, one.mine(), work.isDone],
      [["takeToWrite"], { ...aPushed("db"), digest: WANTED, keys: ["a", "b"], version: 3 }, true],
    );
    const claimed = aScene();
    assert.deepEqual([(await claimed.decide({ kind: "claim" })).isClaimed, claimed.done], [true, ["takeToWrite"]]);
  });
});

describe("a path of Vault that was written too often", () => {
  it("is parked for its declaration, under the lease, and fails the run", async () => {
    const burst = { since: NOW - 1, count: 20 };
    const one = aScene({ recorded: { digest: "d", burst } });
    await assert.rejects(one.decide({ kind: "park" }), { code: "NOT_CONVERGING" });
    const { hash } = aRow().declared;
    assert.deepEqual([one.done, one.mine()?.burst], [["takeToWrite"], { ...burst, parked: hash }]);
    assert.deepEqual(one.others(), aPushed("other", { digest: "d" }));
  });
});

describe("the paths of a row", () => {
  it("are told apart by Vault, mount and path", () => {
    const one = aPushed("db");
    assert.equal(isSamePath(one, aPushed("db", { digest: "d", engine: "kv-v1" })), true);
    const others = [aPushed("other"), aPushed("db", { mount: "other" }), aPushed("db", { vault: "other" })];
    for (const other of others) assert.equal(isSamePath(one, other), false);
    const next = aPushed("db", { digest: "d" });
    assert.deepEqual(withPath([one, ...others], next), [...others, next]);
    assert.deepEqual(withoutPath([one, ...others], next), others);
    assert.deepEqual([withPath(undefined, one), withoutPath(undefined, one)], [[one], []]);
  });
});
