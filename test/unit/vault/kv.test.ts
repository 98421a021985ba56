import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import type { VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";
import type { VaultAnswer } from "../../../lib/vault/answer.ts";
import { kvQuestion, sourceData } from "../../../lib/vault/kv.ts";
import { askedOf } from "../../../lib/vault/vault-client.ts";
import { targetAt } from "../../broken-peer.ts";

const TARGET = targetAt("https://vault.example");
const IDENTITY: VaultIdentity = {
  ...{ id: "one", target: TARGET, mount: "approle", headers: {}, namespace: "team" },
  method: {
    ...{ kind: "appRole", roleId: "r" },
    credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
  },
};
const READ: VaultRead = { identity: IDENTITY, mount: "kv", path: "shop/db", engine: "kv-v2", version: 0 };

describe("a read of kv", () => {
  const CASES: readonly (readonly [what: string, read: Partial<VaultRead>, path: string, query: string | undefined])[] =
    [
      ["the latest version", {}, "kv/data/shop/db", undefined],
      ["another version", { version: 3 }, "kv/data/shop/db", "?version=3"],
      ["kv-v1, which has no versions", { engine: "kv-v1", version: 3 }, "kv/shop/db", undefined],
    ];
  for (const [what, read, path, query] of CASES) {
    it(`asks for ${what}`, () => {
      const question = kvQuestion({ ...READ, ...read });
      assert.deepEqual(
        [question.path, question.query, question.method, question.repeatable],
        [path, query, "GET", true],
      );
      assert.equal(question.purpose, read.engine ?? "kv-v2");
    });
  }

  it("is in the Vault namespace that it names, or that of its login", () => {
    assert.equal(kvQuestion(READ).namespace, "team");
    assert.equal(kvQuestion({ ...READ, namespace: "other" }).namespace, "other");
  });
});

describe("the answer to a read of kv", () => {
  const METADATA = { version: 3, created_time: "2026-01-01T00:00:00.123456789Z" };
  const VERSION = { number: 3, createdTime: METADATA.created_time };

  const read = (
    answer: Partial<VaultAnswer> & { readonly body?: unknown },
    how: { follow?: boolean; v1?: boolean } = {},
  ) => {
    const { body, ...rest } = answer;
    const asked = askedOf(TARGET, kvQuestion({ ...READ, engine: how.v1 ? "kv-v1" : "kv-v2" }));
    return sourceData(asked, { status: 200, text: JSON.stringify(body), ...rest }, how.follow ?? false);
  };
  const fields = (found: ReturnType<typeof read>) => Object.fromEntries(found.fields);

  it("has the fields, the version, and when that was written", () => {
    const found = read({ body: { data: { data: { a: "1" }, metadata: METADATA } } });
    assert.deepEqual([fields(found), found.version], [{ a: "1" }, VERSION]);
    assert.deepEqual(Object.keys(Object(found.response)), ["data", "metadata"]);
  });

  it("of kv-v1 has the fields alone, whatever their names", () => {
    const found = read({ body: { data: { data: "1", metadata: "2" } } }, { v1: true });
    assert.deepEqual([fields(found), "version" in found], [{ data: "1", metadata: "2" }, false]);
  });

  it("of kv-v1 that has a lease is refused: each refresh would issue another credential", () => {
    const issued = { lease_id: "database/creds/app/abc", data: { username: "u", password: "p" } };
    const isParked = (error: unknown) => {
      assert.ok(error instanceof SyncError);
      assert.equal(error.code, "UNSUPPORTED");
      assert.match(error.message, /^GET kv\/shop\/db of .* declare it as a VaultDynamicSecret$/i);
      return true;
    };
    assert.throws(() => read({ body: issued }, { v1: true }), isParked);
    assert.deepEqual(fields(read({ body: { lease_id: "", data: { a: "1" } } }, { v1: true })), { a: "1" });
  });

  const TIMES: readonly (readonly [time: unknown, isTime: boolean])[] = [
    ["2026-01-01T00:00:00Z", true],
    ["2026-01-01T00:00:00.1Z", true],
    ["2026-01-01T00:00:00+02:00", true],
    ["2026-01-01T00:00:00.1234567890Z", false],
    ["2026-01-01", false],
    [undefined, false],
    [7, false],
    [null, false],
  ];
  for (const [time, isTime] of TIMES) {
    it(`${isTime ? "may" : "may not"} be of ${time}`, () => {
      const of = () => read({ body: { data: { data: {}, metadata: { ...METADATA, created_time: time } } } });
      if (isTime) assert.equal(of().version?.createdTime, time);
      else assert.throws(of, { code: "VAULT_ANSWER_INVALID" });
    });
  }

  const VERSIONS: readonly (readonly [version: unknown, isVersion: boolean])[] = [
    [0, true],
    [-1, false],
    [2 ** 53, false],
    ["3", false],
    [undefined, false],
  ];
  for (const [version, isVersion] of VERSIONS) {
    it(`${isVersion ? "may" : "may not"} have version ${JSON.stringify(version)}`, () => {
      const of = () => read({ body: { data: { data: {}, metadata: { ...METADATA, version } } } });
      if (isVersion) assert.equal(of().version?.number, version);
      else assert.throws(of, { code: "VAULT_ANSWER_INVALID" });
    });
  }

  const DELETED = { data: { data: null, metadata: METADATA } };
  for (const status of [200, 404]) {
    it(`may be a deleted version, told with ${status}: as one without fields, or as a missing path`, () => {
      const found = read({ status, body: DELETED }, { follow: true });
      assert.deepEqual([fields(found), found.version], [{}, VERSION]);
      assert.throws(() => read({ status, body: DELETED }), { code: "VAULT_PATH_MISSING" });
    });
  }

  const NOT_DELETED: readonly (readonly [what: string, answer: Parameters<typeof read>[0], code: string])[] = [
    ["a path that never was", { status: 404, body: { errors: [] } }, "VAULT_PATH_MISSING"],
    ["data beside a 404", { status: 404, body: { data: { data: {}, metadata: METADATA } } }, "VAULT_PATH_MISSING"],
    ["no metadata", { status: 404, body: { data: { data: null } } }, "VAULT_PATH_MISSING"],
    ["another refusal", { status: 403, body: { ...DELETED, errors: ["no"] } }, "VAULT_DENIED"],
    ["a page that is no JSON", { status: 404, text: "<html>" }, "VAULT_ANSWER_INVALID"],
  ];
  for (const [what, answer, code] of NOT_DELETED) {
    it(`is no deleted version where there is ${what}`, () => {
      assert.throws(() => read(answer, { follow: true }), { code });
    });
  }

  it("of kv-v1 is never a deleted version", () => {
    assert.throws(() => read({ status: 404, body: DELETED }, { follow: true, v1: true }), {
      code: "VAULT_PATH_MISSING",
    });
  });

  const INVALID: readonly (readonly [body: unknown, message: RegExp])[] = [
    [{}, /is this a kv mount/],
    [{ data: [] }, /is this a kv mount/],
    [{ data: { a: "1" } }, /set type to kv-v1/],
    [{ data: { data: [], metadata: METADATA } }, /set type to kv-v1/],
    [{ data: { data: {}, metadata: [] } }, /set type to kv-v1/],
  ];
  for (const [body, message] of INVALID) {
    it(`is none of kv-v2: ${JSON.stringify(body)}`, () => {
      assert.throws(() => read({ body }), { code: "VAULT_ANSWER_INVALID", message });
    });
  }
});
