import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VaultTarget } from "../../../lib/ports/vault.ts";
import { connectionKey } from "../../../lib/vault/connection-key.ts";

const TARGET: VaultTarget = {
  ...{ address: "https://vault.example:8200", tlsServerName: "vault.example", caPem: "CA", skipTlsVerify: false },
  ...{ headers: {}, timeoutMs: 1_000, place: "east/shop", cluster: "east", connection: "shop/default" },
};

describe("connections to a Vault", () => {
  for (const [what, other] of [
    ["address", { address: "https://other.example:8200" }],
    ["server name", { tlsServerName: "other.example" }],
    ["CA", { caPem: "other" }],
    ["check of certificates", { skipTlsVerify: true }],
  ] as const) {
    it(`are not shared by targets that differ in their ${what}`, () => {
      assert.notEqual(connectionKey(TARGET), connectionKey({ ...TARGET, ...other }));
    });
  }

  it("are not shared by a target whose server name is what another one's CA is", () => {
    const { tlsServerName: _name, caPem: _ca, ...plain } = TARGET;
    const keys = [plain, { ...plain, tlsServerName: "x" }, { ...plain, caPem: "x" }].map(connectionKey);
    assert.equal(new Set(keys).size, 3);
  });

  it("are shared by all who reach the same Vault in the same way", () => {
    const other = {
      headers: { "X-Team": "shop" },
      timeoutMs: 9,
      place: "west/shop",
      cluster: "west",
      connection: "a/b",
    };
    assert.equal(connectionKey(TARGET), connectionKey({ ...TARGET, ...other }));
  });
});
