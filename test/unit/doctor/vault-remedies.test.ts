import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Surveyed } from "../../../lib/doctor/context.ts";
import type { LoginGroup } from "../../../lib/doctor/vault/login-group.ts";
import type { VaultRight } from "../../../lib/doctor/vault/needed.ts";
import { grantEvents, grantRights, isPlain, loginRefusal } from "../../../lib/doctor/vault/vault-remedies.ts";
import { syncKey } from "../../../lib/keys.ts";

const KEY = syncKey({ cluster: "one", kind: "VaultStaticSecret", namespace: "shop", name: "db" });
const SURVEYED = {
  deps: {},
  settings: { name: "one", operatorNamespace: "vso" },
  connection: { origin: "https://api:6443", prefix: "" },
} as unknown as Surveyed;

function login(role: string, rights: readonly VaultRight[] = [], namespace?: string): LoginGroup {
  const credential = {
    kind: "serviceAccount",
    cluster: "one",
    namespace: "shop",
    name: "app",
    audiences: ["vault"],
    expirationSeconds: 600,
  } as const;
  return {
    identity: {
      id: "id",
      target: { address: "https://vault:8200", headers: {}, skipTlsVerify: false, timeoutMs: 1 },
      mount: "kubernetes",
      headers: {},
      ...(namespace === undefined ? {} : { namespace }),
      method: { kind: "kubernetes", role, credential },
    },
    keys: [KEY],
    rights,
    events: [],
  };
}

const READ: VaultRight = { path: "kv/data/db", capability: "read", by: KEY };

describe("what mends a login", () => {
  it("a path that would grant more than it says is never put into a policy", () => {
    for (const path of [
      "kv/data/*",
      "kv/data/+/x",
      'kv/data/"} path "secret',
      "kv/data/$".concat("{x}"),
      "kv/data/{{identity.entity.id}}",
    ]) {
      assert.ok(!isPlain({ path, capability: "read" }), path);
      const { kind } = grantRights(SURVEYED, login("shop"), [{ path, capability: "read" }], []);
      assert.equal(kind, "advice", path);
    }
    assert.ok(isPlain(READ));
  });

  it("events are allowed by a policy as documented, unless a path would grant more than it says", () => {
    const subscribe: VaultRight = { path: "team/sys/events/subscribe/kv*", capability: "read" };
    const { kind, text } = grantEvents([subscribe, { ...READ, capability: "subscribe" }]);
    assert.equal(kind, "advice");
    assert.match(
      text,
      /path "team\/sys\/events\/subscribe\/kv\*" \{ {3}capabilities = \["read"\] \} path "kv\/data\/db"/,
    );
    assert.match(text, /capabilities = \["subscribe"\] {3}subscribe_event_types = \["kv\*"\]/);
    assert.doesNotMatch(grantEvents([{ path: "kv/data/*", capability: "subscribe" }]).text, /path "/);
  });

  it("a grant keeps the role's other policies, and names who asks for it", () => {
    const { kind, text } = grantRights(SURVEYED, login("shop", [], "team"), [READ], ["default"]);
    assert.equal(kind, "commands");
    assert.match(text, /# VaultStaticSecret shop\/db\npath "kv\/data\/db" \{/);
    assert.match(text, /vault read -namespace=team -format=json auth\/kubernetes\/role\/shop\)" && .* jq/);
    assert.match(text, /\.token_policies \+ \["keyferry-one-shop-/);
    assert.match(text, /check that these namespaces may have it: shop/);
  });

  it("other grants for the same role have a policy of their own", () => {
    const policy = (right: VaultRight) =>
      /keyferry-one-shop-\w+/.exec(grantRights(SURVEYED, login("shop"), [right], []).text)?.[0];
    assert.notEqual(policy(READ), policy({ ...READ, path: "kv/data/other" }));
    assert.equal(policy(READ), policy(READ));
  });

  it("each of Vault's reasons has its own remedy", () => {
    const says = (message: string | undefined) => loginRefusal(SURVEYED, login("shop", [READ]), message);
    assert.match(
      says("there is no such role").text,
      /bound_service_account_names=app bound_service_account_namespaces=shop audience=vault/,
    );
    assert.match(
      says("the role does not allow this service account's namespace").text,
      /bound_service_account_namespaces="\$v"/,
    );
    assert.match(says("the role does not allow this service account").text, /bound_service_account_names="\$v"/);
    assert.match(says("the token's audience does not match the role").text, /role\/shop audience=vault$/);
    assert.match(says(undefined).text, /vault auth enable -path=kubernetes kubernetes/);
    assert.match(says("the auth method is not configured").text, /kubernetes_host=https:\/\/api:6443/);
    assert.equal(says("permission denied").kind, "advice");
  });

  it("a role whose name Vault can't have is corrected by a person", () => {
    for (const role of ["x'; rm -rf /; '", "a/b", "../x", "$(id)", "", "-x"]) {
      assert.equal(loginRefusal(SURVEYED, login(role, [READ]), "there is no such role").kind, "advice", role);
    }
  });
});
