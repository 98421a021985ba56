import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Acting, act, isSamePath, withoutPath, withPath } from "../../../../lib/destinations/vault/act.ts";
import type { ObjectWork, SeenObject } from "../../../../lib/destinations/vault/state.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { EMPTY_STATE, type Pushed, type RowState } from "../../../../lib/ports/rows.ts";
import type { KvFields, KvPatch, SeenPath, WriteResult } from "../../../../lib/ports/vault-writes.ts";
import { type SecretData, SecretValue } from "../../../../lib/secret-value.ts";
import { aPushed, aRow } from "../../../builders.ts";

const NOW = Date.UTC(2030, 0, 1);
const KEY = digestKey(Buffer.alloc(32, 1));
const dataOf = (fields: Readonly<Record<string, string>>) =>
  new Map(Object.entries(fields).map(([name, text]) => [name, SecretValue.of(text)]));
const digest = (fields: Readonly<Record<string, string>>) => digestOf(KEY, dataOf(fields));
const FIELDS: KvFields = new Map(
  [...dataOf({ b: "2", a: "1" })].map(([name, value]) => [name, { value, base64: false }]),
);
const WANTED = digest({ a: "1", b: "2" });

interface Given {
  readonly recorded?: Partial<Pushed>;
  readonly seen?: SeenObject;
  readonly found?: SeenPath | ErrorCode;
  readonly result?: WriteResult;
  readonly engine?: "kv-v1" | "kv-v2";
  readonly isClaimed?: boolean;
  readonly body?: SecretData;
  /** Of binary fields, to stand in custom_metadata. */
  readonly list?: string;
  readonly isStill?: boolean;
  readonly mayDescribe?: boolean;
  /** The list is refused. */
  readonly refuses?: ErrorCode;
}

/** One path during a run, and what is done with it. */
function aScene({
  recorded = {},
  seen = { kind: "unread" },
  found = { kind: "absent" },
  result = { kind: "written", version: 5 },
  engine = "kv-v2",
  isClaimed = true,
  body = new Map(),
  list = "",
  isStill = true,
  mayDescribe = true,
  refuses,
}: Given = {}) {
  const done: string[] = [];
  const other = aPushed("other", { digest: "d" });
  const path = aPushed("db", { engine, ...recorded });
  let state: RowState = { ...EMPTY_STATE, pushed: isClaimed ? [other, path] : [other] };
  const mine = () => state.pushed?.find((one) => one.path === "db");
  const learn = (learned: Partial<RowState>) => {
    state = { ...state, ...learned };
  };
  const names = (fields: KvFields | KvPatch) =>
    [...fields].map(([name, field]) => (field === null ? `-${name}` : name)).join();
  const acting = {
    writes: {
      async read() {
        done.push("read");
        if (typeof found === "string") throw new SyncError(found, "no");
        return found;
      },
      async put(_who: unknown, _at: unknown, fields: KvFields, cas: number) {
        done.push(`put ${names(fields)} at ${cas}`);
        return result;
      },
      async patch(_who: unknown, _at: unknown, fields: KvPatch, cas: number) {
        done.push(`patch ${names(fields)} at ${cas}`);
        return result;
      },
      async isStill() {
        done.push("ask for the mount");
        return isStill;
      },
      async mayDescribe() {
        done.push("ask for the right");
        return mayDescribe;
      },
      async describe(_who: unknown, _at: unknown, custom: Readonly<Record<string, string | null>>) {
        done.push(`describe ${JSON.stringify(custom)}`);
        if (refuses !== undefined) throw new SyncError(refuses, "no");
      },
    },
    ...{ who: {}, key: KEY, clock: () => NOW, signal: new AbortController().signal },
    claim: {
      get row() {
        return aRow({ state });
      },
      require: async () => void done.push("require"),
      async record(learned: Partial<RowState>) {
        learn(learned);
        done.push(`record ${mine()?.writing === undefined ? "nothing" : "writing"}`);
      },
      note: learn,
    },
  } as unknown as Acting;
  const at = { mount: "kv", path: "db", engine } as const;
  const work: ObjectWork = {
    ...{ name: "", at, body, fields: FIELDS, list, digest: WANTED },
    ...{ recorded: path, seen, isDone: false },
  };
  return {
    done,
    mine,
    work,
    others: () => state.pushed?.[0],
    decide: (decision: Parameters<typeof act>[2]) => act(acting, work, decision),
  };
}

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
    assert.deepEqual(one.done, ["require", "ask for the mount", "record writing", "put b,a at 4"]);
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
      const { writing, writingKeys, writingVersion, keys } = one.mine() ?? assert.fail();
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
    assert.deepEqual(other.done, ["require", "ask for the mount"], "nothing is recorded or written");
  });

  it("is one that the row has claimed: anything else is a bug", async () => {
    const one = aScene({ isClaimed: false });
    await assert.rejects(one.decide({ kind: "put", cas: 0, because: "it differs" }), /has not claimed/);
    assert.deepEqual(one.done, ["require"]);
  });
});

describe("a path of Vault that holds what is wanted", () => {
  it("is recorded, under the lease", async () => {
    const one = aScene({ recorded: { writing: "w", writingVersion: 3, writingKeys: ["x"] } });
    const work = await one.decide({ kind: "record", version: 3 });
    assert.deepEqual(
      [one.done, one.mine(), work.isDone],
      [["require"], { ...aPushed("db"), digest: WANTED, keys: ["a", "b"], version: 3 }, true],
    );
    const claimed = aScene();
    assert.deepEqual([(await claimed.decide({ kind: "claim" })).isClaimed, claimed.done], [true, ["require"]]);
  });
});

describe("a path of Vault that was written too often", () => {
  it("is parked for its declaration, under the lease, and fails the run", async () => {
    const burst = { since: NOW - 1, count: 20 };
    const one = aScene({ recorded: { digest: "d", burst } });
    await assert.rejects(one.decide({ kind: "park" }), { code: "NOT_CONVERGING" });
    const { hash } = aRow().declared;
    assert.deepEqual([one.done, one.mine()?.burst], [["require"], { ...burst, parked: hash }]);
    assert.deepEqual(one.others(), aPushed("other", { digest: "d" }));
  });
});

describe("binary fields of a path of Vault", () => {
  const BINARY: SecretData = new Map([["b", SecretValue.of(Buffer.from([0xff, 0]))]]);
  const LISTED: Given = { body: BINARY, list: "b", recorded: { binary: "listed" } };
  const put = { kind: "put", cas: 0, because: "it is new" } as const;

  it("keep their names where custom_metadata may list them, else they get a suffix", async () => {
    const asked = async (mayDescribe: boolean) => {
      const one = aScene({ body: BINARY, mayDescribe });
      const { fields, list, recorded, digest: wanted, isAsked } = await one.decide({ kind: "ask" });
      assert.deepEqual([one.done, one.mine(), isAsked], [["ask for the right"], aPushed("db"), true]);
      assert.notEqual(wanted, WANTED);
      return [[...fields.keys()], list, recorded.binary];
    };
    assert.deepEqual(await asked(true), [["b"], "b", "listed"]);
    assert.deepEqual(await asked(false), [["b.b64"], "", "suffixed"]);
  });

  it("are listed after the fields, and a crash in between leaves a record of that", async () => {
    const one = aScene({ ...LISTED, seen: { kind: "absent" } });
    const work = await one.decide(put);
    const describes = 'describe {"keyferry.base64":"b"}';
    assert.deepEqual(one.done.slice(-4), ["record writing", "put b,a at 0", "require", describes]);
    const { list, listing } = one.mine() ?? assert.fail();
    assert.deepEqual([list, listing, work.isDone], ["b", undefined, true]);
    const crashed = aScene({ ...LISTED, seen: { kind: "absent" }, refuses: "VAULT_FAILED" });
    await assert.rejects(crashed.decide(put), { code: "VAULT_FAILED" });
    assert.deepEqual([crashed.mine()?.listing, crashed.mine()?.list], [true, undefined]);
  });

  it("are listed alone where the fields are as they should be", async () => {
    const one = aScene({ ...LISTED, recorded: { binary: "listed", listing: true } });
    await one.decide({ kind: "list" });
    assert.deepEqual(one.done, ["require", 'describe {"keyferry.base64":"b"}']);
    assert.deepEqual(one.mine(), aPushed("db", { binary: "listed", list: "b" }));
    const there = aScene({ ...LISTED, recorded: { binary: "listed", list: "b" } });
    assert.deepEqual([(await there.decide({ kind: "list" })).isDone, there.done], [false, []]);
  });

  it("are not listed any more when there are none", async () => {
    const one = aScene({ recorded: { binary: "listed", list: "b" } });
    await one.decide({ kind: "list" });
    assert.deepEqual(one.done, ["require", 'describe {"keyferry.base64":null}']);
    assert.deepEqual(one.mine(), aPushed("db", { binary: "listed" }));
    const refused = aScene({ recorded: { binary: "listed", list: "b" }, refuses: "VAULT_DENIED" });
    await assert.rejects(refused.decide({ kind: "list" }), { code: "VAULT_DENIED" });
  });

  it("get a suffix, with a new look at the path, where Vault refuses the list", async () => {
    for (const refuses of ["VAULT_DENIED", "VAULT_ANSWER_INVALID"] as const) {
      const one = aScene({ ...LISTED, seen: { kind: "absent" }, refuses });
      const work = await one.decide(put);
      assert.deepEqual(
        [[...work.fields.keys()], work.list, work.seen.kind, work.isDone],
        [["b.b64"], "", "unread", false],
      );
      const { binary, listing, version } = one.mine() ?? assert.fail();
      assert.deepEqual([binary, listing, version], ["suffixed", true, 5], "the list may stand there all the same");
    }
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
