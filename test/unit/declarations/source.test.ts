import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { groupOf, placeOfRead, vaultName } from "../../../lib/declarations/source.ts";
import { IDENTITY } from "../issues/an-issuing-vault.ts";

const VAULTS = [
  { name: "other", addresses: ["https://other.test"], identities: [] },
  { name: "main", addresses: ["https://a.test", "https://vault.example"], identities: [] },
];
const EAST = { name: "east", operatorNamespace: "vso" };

describe("where a sync reads", () => {
  it("is in the Vault that fleet.yaml names, or at its address, however that is written", () => {
    assert.deepEqual(
      ["https://vault.example", "https://Vault.Example/", "https://b.test/"].map((address) =>
        vaultName(VAULTS, address),
      ),
      ["main", "main", "https://b.test"],
    );
    assert.equal(vaultName(undefined, "https://B.test"), "https://b.test");
  });

  it("is its Vault namespace, mount and path, without slashes between that are too many", () => {
    const place = (more: object, vaults = VAULTS) =>
      placeOfRead({ identity: IDENTITY, mount: "kv", path: "db", ...more }, vaults);
    assert.deepEqual(place({}), { vault: "main", path: "team/kv/db", role: "read" });
    assert.equal(place({ namespace: "/own/" }).path, "own/kv/db");
    assert.equal(place({ mount: "/kv/", path: "/a/b/" }).path, "team/kv/a/b");
    const { namespace: _namespace, ...root } = IDENTITY;
    assert.equal(place({ identity: root }).path, "kv/db");
    assert.equal(placeOfRead({ identity: IDENTITY, mount: "kv", path: "db" }).vault, "https://vault.example");
  });
});

describe("lease-table 11: syncs of one group", () => {
  const SPEC = { vaultAuthRef: "own", namespace: "team", mount: "kv", path: "db" };
  const of = (spec: object = {}, more: object = {}) =>
    groupOf(EAST, { kind: "VaultStaticSecret", namespace: "shop", spec: { ...SPEC, ...spec }, ...more });

  it("share their cluster, kind, VaultAuth, namespaces, mount and path", () => {
    const others = [
      ...[
        { vaultAuthRef: "other" },
        { vaultAuthRef: "bank/own" },
        { vaultAuthRef: "" },
        { namespace: "x" },
        { mount: "x" },
        { path: "x" },
      ].map((spec) => of(spec)),
      ...[{ kind: "VaultDynamicSecret" }, { namespace: "bank" }].map((more) => of({}, more)),
      groupOf({ ...EAST, name: "west" }, { kind: "VaultStaticSecret", namespace: "shop", spec: SPEC }),
      of({ vaultAuthRef: "a/b/c" }),
    ];
    assert.equal(new Set([of(), ...others]).size, others.length + 1);
  });

  it("are the same by whatever way these are written", () => {
    for (const spec of [{ vaultAuthRef: "shop/own" }, { namespace: "/team/" }, { mount: "kv/" }, { path: "/db" }])
      assert.equal(of(spec), of(), JSON.stringify(spec));
    assert.equal(of({ vaultAuthRef: "" }), of({ vaultAuthRef: "vso/default" }));
    assert.equal(of({ vaultAuthRef: 7 }), of({ vaultAuthRef: "" }));
    assert.equal(of({ path: "", role: "web" }), of({ path: "web" }));
  });
});
