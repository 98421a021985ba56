import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { VaultIdentity, VaultRead } from "../../../lib/ports/vault.ts";
import { loginId, readId, requestId } from "../../../lib/ports/vault-ids.ts";
import type { VaultRequest } from "../../../lib/ports/vault-issues.ts";

const SECRET = { kind: "secret", cluster: "east", namespace: "shop", name: "key", key: "id" } as const;
const ACCOUNT = {
  kind: "serviceAccount",
  cluster: "east",
  namespace: "shop",
  name: "app",
  audiences: [],
  expirationSeconds: 600,
} as const;
const TARGET = { address: "https://vault", headers: {}, skipTlsVerify: false, timeoutMs: 8_000 };

function anIdentity(method: VaultIdentity["method"], id = "identity"): VaultIdentity {
  return { id, target: TARGET, mount: "approle", headers: {}, method };
}
const appRole = (version?: string) =>
  anIdentity({ kind: "appRole", roleId: "shop", credential: { ...SECRET, ...(version !== undefined && { version }) } });

const READ: VaultRead = { identity: appRole("1"), mount: "kv", path: "db", engine: "kv-v2", version: 0 };

describe("reads share an answer", () => {
  const OTHERS: Readonly<Record<string, VaultRead>> = {
    identity: { ...READ, identity: { ...READ.identity, id: "another" } },
    namespace: { ...READ, namespace: "team" },
    engine: { ...READ, engine: "kv-v1" },
    mount: { ...READ, mount: "kv2" },
    path: { ...READ, path: "db2" },
    version: { ...READ, version: 1 },
    "answer to a deleted version": { ...READ, followDeleted: true },
  };
  for (const [what, other] of Object.entries(OTHERS)) {
    it(`with none of another ${what}`, () => assert.notEqual(readId(other), readId(READ)));
  }

  it("with those that say the defaults", () => {
    assert.equal(readId({ ...READ, namespace: "", followDeleted: false }), readId(READ));
  });
});

describe("requests share a failure", () => {
  const REQUEST: VaultRequest = { method: "GET", mount: "database", path: "creds/app" };
  const id = requestId(READ.identity, REQUEST);
  const OTHERS: Readonly<Record<string, string>> = {
    identity: requestId({ ...READ.identity, id: "another" }, REQUEST),
    namespace: requestId(READ.identity, { ...REQUEST, namespace: "team" }),
    method: requestId(READ.identity, { ...REQUEST, method: "POST" }),
    mount: requestId(READ.identity, { ...REQUEST, mount: "db2" }),
    path: requestId(READ.identity, { ...REQUEST, path: "creds/other" }),
  };
  for (const [what, other] of Object.entries(OTHERS)) {
    it(`with none of another ${what}`, () => assert.notEqual(other, id));
  }

  it("with those that say the default", () => {
    assert.equal(requestId(READ.identity, { ...REQUEST, namespace: "" }), id);
  });
});

describe("a login", () => {
  it("is another one with another version of its Secret", () => {
    assert.equal(loginId(appRole("1")), "identity 1");
    assert.notEqual(loginId(appRole("2")), loginId(appRole("1")));
    assert.equal(loginId(appRole()), "identity ");
  });

  it("of a service account is its identity's", () => {
    assert.equal(loginId(anIdentity({ kind: "kubernetes", role: "shop", credential: ACCOUNT })), "identity");
  });
});
