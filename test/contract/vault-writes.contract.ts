import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { KvFields, KvPath, Pusher } from "../../lib/ports/vault-writes.ts";
import { SecretValue } from "../../lib/secret-value.ts";
import { aKey } from "../builders.ts";
import type { ContractVault } from "../core/world/vault.ts";
import { appRole, failure, type LoginCluster, steadyVaultApi, type TestVaultApi } from "./vault-world.ts";

const forever = new AbortController().signal;

const WRITER = ["kv/data/w/*", "kv/delete/w/*", "kv/metadata/w/*", "old/w/*"]
  .map((path) => `path "${path}" { capabilities = ["create", "read", "update", "patch", "delete"] }`)
  .join(" ");

function fields(texts: Readonly<Record<string, string>>): KvFields {
  return new Map(Object.entries(texts).map(([name, text]) => [name, { value: SecretValue.of(text), base64: false }]));
}

/** What is owed by writes to kv mounts: the same on OpenBao and on HashiCorp's Vault. */
export function vaultWritesContract(
  name: string,
  servers: () => { readonly vault: ContractVault; readonly cluster: LoginCluster },
): void {
  describe(`writes to ${name}`, () => {
    let vault: ContractVault;
    let who: Pusher;
    let end: TestVaultApi;
    let paths = 0;

    before(async () => {
      const here = servers();
      vault = here.vault;
      await vault.writePolicy("writer", WRITER);
      who = { identity: await appRole(here, { policies: ["writer"] }), by: aKey() };
      end = steadyVaultApi(here.cluster);
    });
    after(() => end[Symbol.asyncDispose]());

    const fresh = (engine: KvPath["engine"] = "kv-v2"): KvPath => {
      paths += 1;
      return { mount: engine === "kv-v2" ? "kv" : "old", engine, path: `w/p${paths}` };
    };
    const put = (at: KvPath, texts: Readonly<Record<string, string>>, cas: number) =>
      end.writes.put(who, at, fields(texts), cas, forever);
    const textsAt = async (at: KvPath): Promise<object> => {
      const seen = await end.writes.read(who, at, forever);
      if (seen.kind !== "data") return seen;
      const { fields: found, ...rest } = seen;
      return {
        ...rest,
        fields: Object.fromEntries([...found].map(([key, value]) => [key, value.reveal().toString()])),
      };
    };

    it("a mount is found by any path below it, whether that exists or not", async () => {
      const { mountOf } = end.writes;
      assert.deepEqual(await mountOf(who, "kv/data/w/none", forever), { mount: "kv", engine: "kv-v2" });
      assert.deepEqual(await mountOf(who, "kv/w/none", forever), { mount: "kv", engine: "kv-v2" });
      assert.deepEqual(await mountOf(who, "old/w/none", forever), { mount: "old", engine: "kv-v1" });
      await failure(mountOf(who, "nowhere/w", forever), "VAULT_DENIED");
    });

    it("a mount that was replaced by one of another version is known after a minute", async () => {
      await vault.enableKv("again", 2);
      const mount = { mount: "again", engine: "kv-v2" } as const;
      await vault.writePolicy("writer", `${WRITER} path "again/*" { capabilities = ["create", "read", "update"] }`);
      assert.equal(await end.writes.isStill(who, mount, forever), true);
      await vault.request("DELETE", "sys/mounts/again");
      await vault.enableKv("again", 1);
      assert.equal(await end.writes.isStill(who, mount, forever), true);
      end.pass(61_000);
      assert.equal(await end.writes.isStill(who, mount, forever), false);
    });

    it("a mount that is gone, below which another one answers, is gone each time that it is asked for", async () => {
      const inner = { mount: "old/inner", engine: "kv-v1" } as const;
      assert.equal(await end.writes.isStill(who, inner, forever), false);
      assert.equal(await end.writes.isStill(who, inner, forever), false);
    });

    it("cas: 0 writes only where there is nothing, and a later version only in its place", async () => {
      const at = fresh();
      assert.deepEqual(await end.writes.read(who, at, forever), { kind: "absent" });
      assert.deepEqual(await put(at, { a: "1" }, 0), { kind: "written", version: 1 });
      assert.deepEqual(await put(at, { a: "2" }, 0), { kind: "moved" });
      assert.deepEqual(await put(at, { a: "2" }, 1), { kind: "written", version: 2 });
      assert.deepEqual(await put(at, { a: "3" }, 1), { kind: "moved" });
      assert.deepEqual(await textsAt(at), { kind: "data", version: 2, fields: { a: "2" } });
    });

    it("a deleted or destroyed version counts, and after the path was removed versions begin anew", async () => {
      const at = fresh();
      await put(at, { a: "1" }, 0);
      await end.writes.remove(who, at, 1, forever);
      assert.deepEqual(await end.writes.read(who, at, forever), { kind: "deleted", version: 1 });
      assert.deepEqual(await put(at, { a: "2" }, 0), { kind: "moved" });
      assert.deepEqual(await put(at, { a: "2" }, 1), { kind: "written", version: 2 });
      await vault.write(`kv/destroy/${at.path}`, { versions: [2] });
      assert.deepEqual(await end.writes.read(who, at, forever), { kind: "deleted", version: 2 });
      await end.writes.removeAll(who, at, forever);
      assert.deepEqual(await put(at, { a: "3" }, 2), { kind: "moved" });
      assert.deepEqual(await put(at, { a: "3" }, 0), { kind: "written", version: 1 });
    });

    it("a version is deleted by its number: a later one stays", async () => {
      const at = fresh();
      await put(at, { a: "1" }, 0);
      await put(at, { a: "2" }, 1);
      await end.writes.remove(who, at, 1, forever);
      assert.deepEqual(await textsAt(at), { kind: "data", version: 2, fields: { a: "2" } });
      await end.writes.remove(who, fresh(), 1, forever);
      await end.writes.removeAll(who, fresh(), forever);
    });

    it("a patch changes only its fields, at its version, and none where nothing is", async () => {
      const at = fresh();
      assert.deepEqual(await end.writes.patch(who, at, fields({ a: "1" }), 0, forever), { kind: "moved" });
      await put(at, { theirs: "x", ours: "1", gone: "y" }, 0);
      const patch = new Map([...fields({ ours: "2" }), ["gone", null] as const]);
      assert.deepEqual(await end.writes.patch(who, at, patch, 7, forever), { kind: "moved" });
      assert.deepEqual(await end.writes.patch(who, at, patch, 1, forever), { kind: "written", version: 2 });
      assert.deepEqual(await textsAt(at), { kind: "data", version: 2, fields: { theirs: "x", ours: "2" } });
    });

    it("custom_metadata is merged, and needs the path", async () => {
      const at = fresh();
      await put(at, { a: "1" }, 0);
      await end.writes.describe(who, at, { "their.note": "x", "keyferry.base64": "a" }, forever);
      await end.writes.describe(who, at, { "keyferry.base64": null, "keyferry.other": "b" }, forever);
      const answer = await vault.request("GET", `kv/metadata/${at.path}`);
      const { custom_metadata: custom } = (answer.body as { data: { custom_metadata: object } }).data;
      assert.deepEqual(custom, { "their.note": "x", "keyferry.other": "b" });
    });

    it("a login knows whether it may change custom_metadata, and reads the list of binary fields with the data", async () => {
      const at = { ...fresh(), path: `w/ü %+${paths}/x` };
      assert.equal(await end.writes.mayDescribe(who, at, forever), true);
      assert.equal(await end.writes.mayDescribe(who, { ...at, path: "elsewhere/a" }, forever), false);
      await put(at, { a: "1" }, 0);
      await end.writes.describe(who, at, { "keyferry.base64": "a" }, forever);
      assert.deepEqual(await textsAt(at), { kind: "data", version: 1, fields: { a: "1" }, list: "a" });
      await end.writes.remove(who, at, 1, forever);
      assert.deepEqual(await end.writes.read(who, at, forever), { kind: "deleted", version: 1, list: "a" });
    });

    it("kv-v1 has no versions: the last write counts, and a removed path is gone", async () => {
      const at = fresh("kv-v1");
      assert.deepEqual(await end.writes.read(who, at, forever), { kind: "absent" });
      assert.deepEqual(await put(at, { a: "1" }, 0), { kind: "written" });
      assert.deepEqual(await put(at, { b: "2" }, 0), { kind: "written" });
      assert.deepEqual(await textsAt(at), { kind: "data", fields: { b: "2" } });
      await end.writes.remove(who, at, undefined, forever);
      assert.deepEqual(await end.writes.read(who, at, forever), { kind: "absent" });
    });

    it("bytes go as base64, and text as it is", async () => {
      const at = fresh();
      const value = SecretValue.of(Uint8Array.of(0xff, 0xfe, 0));
      const text = SecretValue.of("ü\u2028😀");
      const both = new Map([
        ["bytes", { value, base64: true }],
        ["text", { value: text, base64: false }],
      ]);
      await end.writes.put(who, at, both, 0, forever);
      assert.deepEqual(await textsAt(at), { kind: "data", version: 1, fields: { bytes: "//4A", text: "ü\u2028😀" } });
    });

    it("what the policies do not allow is VAULT_DENIED, and has done nothing", async () => {
      const at = { mount: "kv", engine: "kv-v2", path: "elsewhere/a" } as const;
      const error = await failure(put(at, { a: "s3cr3t" }, 0), "VAULT_DENIED");
      assert.equal(error.outcome, "none");
      await failure(end.writes.read(who, at, forever), "VAULT_DENIED");
      await failure(end.writes.remove(who, at, 1, forever), "VAULT_DENIED");
    });
  });
}
