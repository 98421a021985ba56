import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Removing, removePushed } from "../../../../lib/destinations/vault/remove.ts";
import { digestKey, digestOf } from "../../../../lib/digest.ts";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import type { Pushed, RowState } from "../../../../lib/ports/rows.ts";
import { EMPTY_STATE } from "../../../../lib/ports/rows.ts";
import type { KvPatch, SeenPath } from "../../../../lib/ports/vault-writes.ts";
import { SecretValue } from "../../../../lib/secret-value.ts";
import { aPushed, aRow } from "../../../builders.ts";
import { IDENTITY } from "../../issues/an-issuing-vault.ts";

const KEY = digestKey(Buffer.alloc(32, 1));
const dataOf = (fields: Readonly<Record<string, string>>) =>
  new Map(Object.entries(fields).map(([name, text]) => [name, SecretValue.of(text)]));
const OURS = dataOf({ a: "1" });
const { namespace: _namespace, ...ROOT } = IDENTITY;
const WRITTEN = { digest: digestOf(KEY, OURS), keys: ["a"], version: 3 };
const data = (fields: Readonly<Record<string, string>>, version?: number): SeenPath => ({
  ...{ kind: "data", fields: dataOf(fields) },
  ...(version === undefined ? {} : { version }),
});
const deleted = (version: number): SeenPath => ({ kind: "deleted", version });
const ABSENT: SeenPath = { kind: "absent" };
const NOW = 1_000_000;

interface Given extends Partial<Pick<Removing, "deletion" | "isMerged" | "vault" | "identity">> {
  readonly pushed?: Partial<Pushed>;
  /** What stands at the path, one read after the other. */
  readonly seen?: readonly (SeenPath | ErrorCode)[];
  readonly isAllowed?: boolean;
  /** A patch meets another version. */
  readonly moves?: boolean;
  /** What is recorded of it on the way. */
  readonly records?: Pushed[];
  /** How the row keeps it; missing: it does not. */
  readonly stays?: Partial<Pushed>;
}

/** What is done to remove a path, and why it stays if it does. */
async function removed({
  pushed = WRITTEN,
  seen = [data({ a: "1" }, 3)],
  isAllowed = true,
  moves = false,
  records = [],
  stays,
  ...more
}: Given = {}) {
  const done: string[] = [];
  const path = aPushed("db", pushed);
  const other = aPushed("other", { digest: "d" });
  let state: RowState = { ...EMPTY_STATE, pushed: [other, path] };
  let reads = 0;
  const writes = {
    async read() {
      done.push("read");
      const found = seen[reads++] ?? assert.fail("read too often");
      if (typeof found === "string") throw new SyncError(found, "no");
      return found;
    },
    remove: async (_who: unknown, _at: unknown, version: number | undefined) => void done.push(`remove ${version}`),
    removeAll: async () => void done.push("remove all"),
    async patch(_who: unknown, _at: unknown, patch: KvPatch, cas: number) {
      done.push(`patch ${[...patch].map(([name, value]) => `${name}=${value}`)} at ${cas}`);
      return moves ? { kind: "moved" } : { kind: "written" };
    },
  };
  const learn = (learned: Partial<RowState>) => {
    state = { ...state, ...learned };
  };
  const claim = {
    get row() {
      return aRow({ state });
    },
    takeToWrite: async () => void done.push("takeToWrite"),
    async record(learned: Partial<RowState>) {
      const recorded = learned.pushed?.find((one) => one.path === "db") ?? assert.fail();
      done.push(`record ${recorded.version}${recorded.removing ? ", removing" : ""}`);
      records.push(recorded);
      learn(learned);
    },
    note: learn,
  };
  const removing = {
    ...{ writes, who: { identity: ROOT }, key: KEY, claim, signal: new AbortController().signal, vault: "main" },
    ...{ identity: ROOT, deletion: "latest", isMerged: false, isAllowed: () => isAllowed, ...more },
    ...{ clock: () => NOW, requestMs: 10_000 },
  } as unknown as Removing;
  const left = await removePushed(removing, path);
  if (stays === undefined) assert.deepEqual(state.pushed, [other], "the row forgets it");
  else assert.deepEqual(state.pushed, [other, { ...path, ...stays }], "the row keeps it");
  assert.equal(done[0], "takeToWrite", "before anything is asked");
  return [...askedOf(done.slice(1), path), ...(left ? [`${left.path}: ${left.because}`] : [])];
}

/** Without what comes before each removal: that it began is recorded once, and after that the lease is asked for. */
function askedOf(done: readonly string[], { digest, removing }: Pushed): readonly string[] {
  const isRemoval = (what: string | undefined): boolean => /^(remove|patch) /.test(what ?? "");
  const removals = done.flatMap((what, at) => (isRemoval(what) ? [at] : []));
  for (const at of removals) {
    const isBegun =
      digest === undefined || removing === true || done.slice(0, at - 1).some((one) => one.endsWith("removing"));
    assert.match(done[at - 1] ?? "", isBegun ? /^takeToWrite$/ : /, removing$/, `before ${done[at]}`);
  }
  return done.filter((what, at) => what !== "takeToWrite" && !(isRemoval(done[at + 1]) && what.endsWith(", removing")));
}

const OTHERS = "kv/db: it holds another version than keyferry wrote";

describe("lease-table 31: what a row pushed to a path", () => {
  it("is removed while its own version stands there", async () => {
    assert.deepEqual(await removed(), ["read", "remove 3"]);
    assert.deepEqual(await removed({ seen: [data({ a: "1" }, 4)] }), ["read", OTHERS]);
    assert.deepEqual(await removed({ seen: [data({ a: "2" }, 3)] }), ["read", OTHERS]);
    const old = { pushed: { digest: WRITTEN.digest, keys: ["a"], engine: "kv-v1" } as const, seen: [data({ a: "1" })] };
    assert.deepEqual(await removed(old), ["read", "remove undefined"]);
    assert.deepEqual(await removed({ ...old, isMerged: true }), ["read", "remove undefined"], "kv-v1 can't merge");
  });

  it("is removed further where that was cut off", async () => {
    const pushed = { ...WRITTEN, removing: true } as const;
    assert.deepEqual(await removed({ pushed }), ["read", "remove 3"]);
    assert.deepEqual(await removed({ pushed, seen: [deleted(3)] }), ["read"]);
  });

  it("is removed of a write that a crash followed", async () => {
    const pushed = { ...WRITTEN, writing: digestOf(KEY, dataOf({ b: "2" })), writingVersion: 4, writingKeys: ["b"] };
    assert.deepEqual(await removed({ pushed, seen: [data({ b: "2" }, 4)] }), ["read", "remove 4"]);
    const never = { writing: pushed.writing, writingVersion: 1, wroteAt: NOW - 100_000 };
    assert.deepEqual(await removed({ pushed: never, seen: [ABSENT] }), ["read"]);
  });

  it("is kept, and not told, until a write that may still be carried out is over", async () => {
    const late = { ...WRITTEN, writing: digestOf(KEY, dataOf({ b: "2" })), writingVersion: 4, wroteAt: NOW - 99_999 };
    const stays = { wroteAt: late.wroteAt, landsBy: NOW + 1 };
    assert.deepEqual(await removed({ pushed: late, stays }), ["read", "remove 3"]);
    assert.deepEqual(await removed({ pushed: late, stays, seen: [deleted(3)] }), ["read"]);
    assert.deepEqual(await removed({ pushed: late, stays, seen: ["VAULT_DENIED"] }), ["read", "remove 3"]);
    const theirs = data({ a: "9" }, 3);
    assert.deepEqual(await removed({ pushed: late, stays, seen: [theirs] }), ["read"], "it comes after theirs");
    assert.deepEqual(await removed({ pushed: late, seen: [deleted(4)] }), ["read"], "its number is taken");
    assert.deepEqual(await removed({ pushed: late, seen: [ABSENT] }), ["read"], "cas finds no version");
    assert.deepEqual(await removed({ pushed: late, deletion: "metadata", seen: [deleted(3)] }), ["read", "remove all"]);
    const first = { ...late, writingVersion: 1 };
    assert.deepEqual(await removed({ pushed: first, stays, seen: [ABSENT] }), ["read"], "cas: 0 succeeds");
    const ahead = { ...late, wroteAt: NOW + 9_000_000 };
    const bounded = { wroteAt: NOW, landsBy: NOW + 100_000 };
    assert.deepEqual(await removed({ pushed: ahead, stays: bounded, seen: [deleted(3)] }), ["read"]);
    const over = { ...late, wroteAt: NOW - 100_000 };
    const why = "kv/db: its login may not read it, so that it may be someone else's";
    assert.deepEqual(await removed({ pushed: over, seen: [deleted(3)] }), ["read"]);
    assert.deepEqual(await removed({ pushed: over, seen: ["VAULT_DENIED"] }), ["read", "remove 3", why]);
  });

  it("is nothing where it was never written, and where nothing stands any more", async () => {
    assert.deepEqual(await removed({ pushed: {}, seen: [] }), []);
    assert.deepEqual(await removed({ seen: [ABSENT] }), ["read"]);
    assert.deepEqual(await removed({ seen: [deleted(3)] }), ["read"]);
  });

  it("stays where fleet.yaml names another Vault, or does not allow the path any more", async () => {
    assert.deepEqual(await removed({ vault: "other" }), ["kv/db: fleet.yaml names another Vault than main"]);
    assert.deepEqual(await removed({ isAllowed: false }), [
      "kv/db: push.paths of fleet.yaml does not allow it any more",
    ]);
  });

  it("stays where its login is of another Vault namespace now, and the reason says so", async () => {
    const pushed = { ...WRITTEN, mount: "former/kv" };
    assert.deepEqual(await removed({ pushed, identity: IDENTITY }), [
      "former/kv/db: its login is of Vault namespace team now, where this path is not",
    ]);
    assert.deepEqual(await removed({ pushed, identity: IDENTITY, vault: "other" }), [
      "former/kv/db: fleet.yaml names another Vault than main",
    ]);
  });

  it("that may not be read is removed by its version, or stays", async () => {
    assert.deepEqual(await removed({ seen: ["VAULT_DENIED"] }), ["read", "remove 3"]);
    const { version: _version, ...unversioned } = WRITTEN;
    const why = "kv/db: its login may not read it, so that it may be someone else's";
    assert.deepEqual(await removed({ pushed: unversioned, seen: ["VAULT_DENIED"] }), ["read", why]);
    const others = "kv/db: its login may not read it, and others have fields in it";
    assert.deepEqual(await removed({ isMerged: true, seen: ["VAULT_DENIED"] }), ["read", others]);
    assert.deepEqual(await removed({ pushed: { ...WRITTEN, merged: true }, seen: ["VAULT_DENIED"] }), ["read", others]);
    await assert.rejects(removed({ seen: ["VAULT_FAILED"] }), { code: "VAULT_FAILED" });
  });
});

describe("a path that is to go with all its versions", () => {
  const whole = { deletion: "metadata" } as const;

  it("goes after its own version, if nobody wrote to it meanwhile", async () => {
    assert.deepEqual(await removed({ ...whole, seen: [data({ a: "1" }, 3), deleted(3)] }), [
      ...["read", "remove 3", "read", "remove all"],
    ]);
    const meanwhile = "kv/db: someone else wrote to it while keyferry removed it";
    for (const then of [data({ a: "9" }, 4), deleted(4), "VAULT_DENIED"] as const) {
      assert.deepEqual(await removed({ ...whole, seen: [data({ a: "1" }, 3), then] }), [
        "read",
        "remove 3",
        "read",
        meanwhile,
      ]);
    }
    assert.deepEqual(await removed({ ...whole, seen: [data({ a: "1" }, 3), ABSENT] }), ["read", "remove 3", "read"]);
  });

  it("goes when its own version was deleted before, and stays when another's was", async () => {
    assert.deepEqual(await removed({ ...whole, seen: [deleted(3)] }), ["read", "remove all"]);
    assert.deepEqual(await removed({ ...whole, seen: [deleted(4)] }), ["read"]);
  });

  it("has the version of a write that a crash followed recorded before", async () => {
    const pushed = { ...WRITTEN, writing: digestOf(KEY, dataOf({ b: "2" })), writingVersion: 4, writingKeys: ["b"] };
    const records: Pushed[] = [];
    assert.deepEqual(await removed({ ...whole, pushed, records, seen: [data({ b: "2" }, 4), deleted(4)] }), [
      ...["read", "record 4, removing", "remove 4", "read", "remove all"],
    ]);
    const recorded = records.at(-1) ?? assert.fail();
    assert.deepEqual(await removed({ ...whole, pushed: recorded, seen: [data({ b: "2" }, 4), deleted(4)] }), [
      ...["read", "remove 4", "read", "remove all"],
    ]);
  });

  it("of kv-v1 has one version", async () => {
    const old = { pushed: { digest: WRITTEN.digest, keys: ["a"], engine: "kv-v1" } as const, seen: [data({ a: "1" })] };
    assert.deepEqual(await removed({ ...whole, ...old }), ["read", "remove undefined"]);
  });
});

describe("a path that others write to as well", () => {
  const merged = { isMerged: true } as const;

  it("loses only the row's own fields, in whatever version they stand", async () => {
    assert.deepEqual(await removed({ ...merged, seen: [data({ a: "1", theirs: "x" }, 3)] }), [
      "read",
      "patch a=null at 3",
    ]);
    assert.deepEqual(await removed({ ...merged, seen: [data({ a: "1", theirs: "x" }, 9)] }), [
      "read",
      "patch a=null at 9",
    ]);
    assert.deepEqual(await removed({ ...merged, seen: [data({ a: "1" }, 9)] }), ["read", "patch a=null at 9"]);
    assert.deepEqual(await removed({ ...merged, seen: [data({ a: "9", theirs: "x" }, 9)] }), ["read", OTHERS]);
  });

  it("is left at once after a crash, since no write of the row's can make a version after the one of that removal", async () => {
    const written = { ...WRITTEN, version: 2, writing: WRITTEN.digest, writingVersion: 3, writingKeys: ["a"] };
    const pushed = { ...written, wroteAt: NOW };
    const seen = [data({ a: "1", theirs: "x" }, 3)];
    assert.deepEqual((await removed({ ...merged, pushed, seen })).at(-1), "patch a=null at 3");
    const late = { ...WRITTEN, writing: digestOf(KEY, dataOf({ b: "2" })), writingVersion: 4, wroteAt: NOW };
    assert.deepEqual((await removed({ ...merged, pushed: late, seen })).at(-1), "patch a=null at 3");
  });

  it("is removed where nothing of others is left", async () => {
    assert.deepEqual(await removed({ ...merged, seen: [data({ a: "1" }, 3)] }), ["read", "remove 3"]);
    const metadata = { ...merged, deletion: "metadata", seen: [data({ a: "1" }, 3), deleted(3)] } as const;
    assert.deepEqual(await removed(metadata), ["read", "remove 3", "read", "remove all"]);
  });

  it("that changes meanwhile keeps them", async () => {
    const why = "kv/db: it changed while keyferry removed its keys";
    assert.deepEqual(await removed({ ...merged, moves: true, seen: [data({ a: "1", theirs: "x" }, 3)] }), [
      "read",
      "patch a=null at 3",
      why,
    ]);
  });
});
