import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { mustParseSpec } from "../../../lib/declarations/parse.ts";
import { isForEvents, policyHcl, useOf, vaultRights } from "../../../lib/rights/vault.ts";

const DESTINATION = { name: "a", create: true };

function useOfStatic(spec: object) {
  return useOf({
    kind: "VaultStaticSecret",
    spec: mustParseSpec("VaultStaticSecret", { destination: DESTINATION, ...spec }),
  });
}

const dynamic = (spec: object) =>
  useOf({
    kind: "VaultDynamicSecret",
    spec: mustParseSpec("VaultDynamicSecret", {
      destination: DESTINATION,
      mount: "database",
      path: "creds/a",
      ...spec,
    }),
  });

const pki = (spec: object) =>
  useOf({
    kind: "VaultPKISecret",
    spec: mustParseSpec("VaultPKISecret", { destination: DESTINATION, mount: "pki", role: "a", ...spec }),
  });

const paths = (uses: Parameters<typeof vaultRights>[0]): Record<string, readonly string[]> =>
  Object.fromEntries(
    vaultRights(uses)
      .filter(({ inDefault }) => !inDefault)
      .map(({ namespace, path, capabilities }) => [`${namespace ? `${namespace}:` : ""}${path}`, capabilities]),
  );

describe("the policy for what is declared", () => {
  it("reads static secrets, where each version of kv has them", () => {
    const uses = [
      useOfStatic({ type: "kv-v2", mount: "kv", path: "shop/db" }),
      useOfStatic({ type: "kv-v1", mount: "old", path: "shop/db" }),
    ];
    assert.deepEqual(paths(uses), { "kv/data/shop/db": ["read"], "old/shop/db": ["read"] });
    assert.ok(
      vaultRights(uses).every(({ inDefault }) => !inDefault),
      "static secrets hold no lease",
    );
  });

  it("subscribes to events of static secrets where they are declared", () => {
    const instant = { syncConfig: { instantUpdates: true } };
    const uses = [
      useOfStatic({ type: "kv-v2", mount: "kv", path: "shop/db", namespace: "team", ...instant }),
      useOfStatic({ type: "kv-v1", mount: "old", path: "shop/db", ...instant }),
    ];
    assert.deepEqual(paths(uses), {
      "team:kv/data/shop/db": ["read", "list", "subscribe"],
      "team:sys/events/subscribe/kv*": ["read"],
      "old/shop/db": ["read", "list", "subscribe"],
      "sys/events/subscribe/kv*": ["read"],
    });
    assert.match(policyHcl(vaultRights(uses)), /"subscribe"\]\n {2}subscribe_event_types = \["kv\*"\]\n\}/);
    assert.deepEqual(
      vaultRights(uses).map(({ path, capabilities }) => capabilities.map((one) => isForEvents(path, one))),
      [[false, true, true], [true], [false, true, true], [true]],
    );
  });

  it("asks for dynamic secrets as the declaration does", () => {
    assert.deepEqual(paths([dynamic({})]), { "database/creds/a": ["read"] });
    assert.deepEqual(paths([dynamic({ params: { ttl: "1h" } })]), { "database/creds/a": ["update"] });
    assert.deepEqual(paths([dynamic({}), dynamic({ requestHTTPMethod: "PUT" })]), {
      "database/creds/a": ["read", "update"],
    });
  });

  it("issues certificates, and revokes them only where that is declared", () => {
    assert.deepEqual(paths([pki({})]), { "pki/issue/a": ["update"] });
    assert.deepEqual(paths([pki({ issuerRef: "old", revoke: true })]), {
      "pki/issuer/old/issue/a": ["update"],
      "pki/revoke": ["update"],
    });
  });

  it("has what keeps and ends a credential, which Vault's policy default has too", () => {
    const held = vaultRights([pki({})]).filter(({ inDefault }) => inDefault);
    const example = readFileSync(new URL("../../../infra/vault/issuing.hcl", import.meta.url), "utf8");
    const paths = [...example.matchAll(/^path "((?:sys|auth)\/[^"]+)"/gm)].map(([, path]) => path);
    assert.deepEqual(held.map(({ path }) => path).toSorted(), paths.toSorted(), "as infra/vault/issuing.hcl has it");
  });

  it("names the Vault namespace of what is not in the login's own", () => {
    assert.deepEqual(paths([dynamic({ namespace: "team" })]), {
      "team:database/creds/a": ["read"],
      "team:sys/leases/renew": ["update"],
      "team:sys/leases/revoke/*": ["update"],
    });
    const own = vaultRights([dynamic({ namespace: "team" })], "team");
    assert.ok(own.every(({ namespace }) => namespace === undefined));
  });

  it("is written as HCL, with a reason", () => {
    const text = policyHcl(vaultRights([useOfStatic({ type: "kv-v2", mount: "kv", path: "a" })]));
    assert.match(text, /^# Static secrets.*\npath "kv\/data\/a" \{\n {2}capabilities = \["read"\]\n\}\n$/);
  });
});
