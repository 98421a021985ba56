import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import type { VaultApi, VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";
import { sourceReader } from "../../../lib/reconcile/source.ts";

const signal = new AbortController().signal;
const IDENTITY: VaultIdentity = {
  id: "of-one-tenant",
  target: { address: "https://vault.example.com", headers: {}, skipTlsVerify: false, timeoutMs: 1_000 },
  mount: "kubernetes",
  headers: {},
  method: {
    kind: "appRole",
    roleId: "r",
    credential: { kind: "secret", cluster: "east", namespace: "shop", name: "s", key: "id" },
  },
};
const READ: VaultRead = { identity: IDENTITY, mount: "kv", path: "app", engine: "kv-v2", version: 0 };

const TRUSTED = { ...IDENTITY.target, caPem: "PEM" };

/** A reader of one batch whose Vault answers so, and what its certificates were held responsible for. */
function aReaderOf(read: VaultApi["read"]) {
  const refused: VaultIdentity["target"][] = [];
  const ca = { resolve: async () => TRUSTED, refused: (target: VaultIdentity["target"]) => void refused.push(target) };
  return { refused, reader: sourceReader({ vault: { read } as VaultApi, sleep: async () => undefined }, ca) };
}

/** A reader of one batch, and what Vault was asked by it. */
function aReader() {
  const asked: VaultRead[] = [];
  const read: VaultApi["read"] = async (one) => {
    asked.push(one);
    return { response: null, fields: new Map() };
  };
  const ca = { resolve: async (target: VaultIdentity["target"]) => target, refused: () => undefined };
  return { asked, reader: sourceReader({ vault: { read } as VaultApi, sleep: async () => undefined }, ca) };
}

describe("a read", () => {
  it("is asked as it was, with the certificates of its Vault", async () => {
    const asked: VaultRead[] = [];
    const { reader } = aReaderOf(async (one) => {
      asked.push(one);
      return { response: null, fields: new Map() };
    });
    await reader.read(READ, signal);
    assert.deepEqual(asked, [{ ...READ, identity: { ...IDENTITY, target: TRUSTED } }]);
  });

  it("that the connection refused has its certificates fetched anew, and fails; so does every other failure", async () => {
    for (const [error, at] of [
      [new SyncError("VAULT_TLS_REFUSED", "unknown CA"), [IDENTITY.target]],
      [new SyncError("VAULT_UNAVAILABLE", "away"), []],
      [Object.assign(new Error("a bug"), { code: "VAULT_TLS_REFUSED" }), []],
    ] as const) {
      const { refused, reader } = aReaderOf(() => Promise.reject(error));
      await assert.rejects(reader.read(READ, signal), error);
      assert.deepEqual(refused, at);
    }
  });
});

describe("the reads of one batch", () => {
  it("are one where identity and place are the same", async () => {
    const { asked, reader } = aReader();
    const [one, other] = await Promise.all([
      reader.read(READ, signal),
      reader.read({ ...READ, followDeleted: false }, signal),
    ]);
    assert.equal(asked.length, 1);
    assert.equal(one, other);
  });

  const OTHERS: readonly (readonly [what: string, read: VaultRead])[] = [
    [
      "another identity: one tenant's answer is not another's",
      { ...READ, identity: { ...IDENTITY, id: "of-another" } },
    ],
    ["another Vault namespace", { ...READ, namespace: "team" }],
    ["another mount", { ...READ, mount: "kv2" }],
    ["another path", { ...READ, path: "other" }],
    ["another engine", { ...READ, engine: "kv-v1" }],
    ["another version", { ...READ, version: 3 }],
    ["deleted data taken for none", { ...READ, followDeleted: true }],
    ["parts that run into each other", { ...READ, mount: "k", path: "vapp" }],
  ];
  for (const [what, read] of OTHERS) {
    it(`are two for ${what}`, async () => {
      const { asked, reader } = aReader();
      await Promise.all([reader.read(READ, signal), reader.read(read, signal)]);
      assert.equal(asked.length, 2);
    });
  }
});
