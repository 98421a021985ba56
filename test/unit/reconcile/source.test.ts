import assert from "node:assert/strict";
import { describe, it } from "node:test";
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

/** A reader of one batch, and what Vault was asked by it. */
function aReader() {
  const asked: VaultRead[] = [];
  const read: VaultApi["read"] = async (one) => {
    asked.push(one);
    return { response: null, fields: new Map() };
  };
  const ca = { resolve: async (target: VaultIdentity["target"]) => target, refused: () => undefined };
  return { asked, reader: sourceReader({ vault: { read } as VaultApi }, ca) };
}

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
