import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../lib/errors.ts";
import { partsOf, referenceKey } from "../../../lib/keys.ts";
import { resolveStaticSecret } from "../../../lib/kinds/static/resolve.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared, aKey, aReference } from "../../builders.ts";

const KUBERNETES = { mount: "kubernetes", method: "kubernetes", kubernetes: { role: "r", serviceAccount: "app" } };
const AWS = { mount: "aws", method: "aws", aws: { role: "r", headerValue: "vault.example.com" } };
const CONNECTION = { address: "https://vault.example.com" };
const SPEC = { type: "kv-v2", mount: "kv", path: "app", destination: { name: "app", create: true } };

const HUB = { name: "hub", method: "aws", role: "r", headerValue: "vault.example.com" } as const;
/** A cluster to which fleet.yaml lends keyferry's own identity. */
const LENDING = {
  vaults: [{ name: "main", addresses: [CONNECTION.address], identities: [HUB] }],
  vault: { identities: ["main/hub"] },
};

/** Objects by kind, namespace and name; all of namespace `vso` stand in one that somebody made, or none do. */
function outcomeOf(spec: JsonObject, objects: Readonly<Record<string, JsonObject>>, isStranger: boolean) {
  const { outcome } = resolveStaticSecret({
    declared: aDeclared({ key: aKey("app"), spec: { ...SPEC, ...spec } }),
    cluster: aCluster(LENDING),
    reference(key) {
      const { kind, namespace, name } = partsOf(key);
      const found = objects[`${kind}/${namespace}/${name}`];
      const mark = isStranger && namespace === "vso" ? { isStranger } : {};
      return (
        found && aReference({ key: referenceKey({ cluster: "east", kind, namespace, name }), spec: found, ...mark })
      );
    },
  });
  return outcome instanceof SyncError ? `${outcome.code}: ${outcome.message}` : outcome.asks.identity.method.kind;
}

describe("a namespace that somebody made under the operator namespace's name", () => {
  const CASES: readonly [what: string, JsonObject, Record<string, JsonObject>, RegExp][] = [
    [
      "its VaultAuth can't serve as a default",
      {},
      {
        "VaultAuth/vso/default": { ...KUBERNETES, allowedNamespaces: ["*"] },
        "VaultConnection/vso/default": CONNECTION,
      },
      /^REFERENCE_NOT_ALLOWED: VaultAuth vso\/default can't serve as a default: .*operatorNamespaceUid/,
    ],
    [
      "its VaultConnection can't serve as a default",
      { vaultAuthRef: "own" },
      { "VaultAuth/shop/own": KUBERNETES, "VaultConnection/vso/default": CONNECTION },
      /^REFERENCE_NOT_ALLOWED: VaultConnection vso\/default can't serve as a default/,
    ],
    [
      "its VaultAuthGlobal can't serve as a default",
      { vaultAuthRef: "own" },
      {
        "VaultAuth/shop/own": { ...KUBERNETES, vaultConnectionRef: "own", vaultAuthGlobalRef: { allowDefault: true } },
        "VaultAuthGlobal/vso/default": { allowedNamespaces: ["*"], kubernetes: { role: "theirs" } },
        "VaultConnection/shop/own": CONNECTION,
      },
      /^REFERENCE_NOT_ALLOWED: VaultAuthGlobal vso\/default can't serve as a default/,
    ],
    [
      "its default VaultAuth is for all only when it says so",
      { vaultAuthRef: "vso/default" },
      {
        "VaultAuth/vso/default": { ...KUBERNETES, vaultConnectionRef: "shop/own" },
        "VaultConnection/shop/own": CONNECTION,
      },
      /^REFERENCE_NOT_ALLOWED: VaultAuth vso\/default does not allow namespace shop/,
    ],
    [
      "keyferry's own identity is not lent to it",
      { vaultAuthRef: "vso/aws" },
      {
        "VaultAuth/vso/aws": { ...AWS, allowedNamespaces: ["*"], vaultConnectionRef: "default" },
        "VaultConnection/vso/default": CONNECTION,
      },
      /^UNSUPPORTED: .*spec\.aws/,
    ],
  ];
  for (const [what, spec, objects, expected] of CASES) {
    it(`${what}, as it is in the operator's own`, () => {
      assert.match(outcomeOf(spec, objects, true), expected);
      assert.match(outcomeOf(spec, objects, false), /^(kubernetes|aws)$/);
    });
  }

  it("its VaultConnection adds nothing to the Vault that fleet.yaml names for the cluster, unless it is named", () => {
    const headersOf = (isStranger: boolean, vaultConnectionRef?: string) => {
      const key = (kind: string, namespace: string, name: string) =>
        referenceKey({ cluster: "east", kind, namespace, name });
      const objects = [
        aReference({
          key: key("VaultAuth", "shop", "own"),
          spec: { ...KUBERNETES, ...(vaultConnectionRef && { vaultConnectionRef }) },
        }),
        aReference({
          ...{ key: key("VaultConnection", "vso", "default"), spec: { ...CONNECTION, headers: { "X-Theirs": "1" } } },
          ...(isStranger ? { isStranger } : {}),
        }),
      ];
      const vaults = [{ name: "main", addresses: [CONNECTION.address], identities: [] }];
      const { outcome } = resolveStaticSecret({
        declared: aDeclared({ key: aKey("app"), spec: { ...SPEC, vaultAuthRef: "own" } }),
        cluster: aCluster({ vaults, vault: { name: "main" } }),
        reference: (of) => objects.find((object) => object.key === of),
      });
      if (outcome instanceof SyncError) throw outcome;
      return outcome.asks.identity.target.headers;
    };
    assert.deepEqual([headersOf(true), headersOf(false)], [{}, { "X-Theirs": "1" }]);
    assert.deepEqual(headersOf(true, "vso/default"), { "X-Theirs": "1" });
  });

  it("what is named there is used like that of any other namespace", () => {
    const objects = {
      "VaultAuth/vso/shared": { ...KUBERNETES, allowedNamespaces: ["shop"], vaultConnectionRef: "shared" },
      "VaultConnection/vso/shared": CONNECTION,
    };
    assert.equal(outcomeOf({ vaultAuthRef: "vso/shared" }, objects, true), "kubernetes");
  });

  it("its VaultAuthGlobal is used by who names it, and by VaultAuths beside it", () => {
    const global = { ...KUBERNETES, allowedNamespaces: ["shop"] };
    const connection = { "VaultConnection/shop/own": CONNECTION };
    const naming = (vaultAuthGlobalRef: JsonObject) => ({
      ...KUBERNETES,
      vaultConnectionRef: "shop/own",
      vaultAuthGlobalRef,
    });
    const named = {
      ...connection,
      "VaultAuth/shop/own": naming({ name: "g", namespace: "vso" }),
      "VaultAuthGlobal/vso/g": global,
    };
    assert.equal(outcomeOf({ vaultAuthRef: "own" }, named, true), "kubernetes");
    const beside = {
      ...connection,
      "VaultAuth/vso/shared": { ...naming({ allowDefault: true }), allowedNamespaces: ["shop"] },
      "VaultAuthGlobal/vso/default": global,
    };
    assert.equal(outcomeOf({ vaultAuthRef: "vso/shared" }, beside, true), "kubernetes");
  });
});
