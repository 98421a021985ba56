import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkReference } from "../../../lib/declarations/check-reference.ts";
import { SyncError } from "../../../lib/errors.ts";
import { type ReferenceKey, syncKey } from "../../../lib/keys.ts";
import type { Reference } from "../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../builders.ts";

const EAST = aCluster();

type Objects = Readonly<Record<string, JsonObject>>;

function checked(kind: string, objects: Objects, cluster = EAST) {
  const key = syncKey({ cluster: "east", kind, namespace: "shop", name: "it" });
  const declared = aDeclared({ key, uid: "u1", spec: objects[`${kind}/shop/it`] ?? {} });
  const reference = (of: ReferenceKey): Reference | undefined => {
    const spec = objects[of.slice("east/".length)];
    if (spec === undefined) return undefined;
    return { key: of, uid: of, generation: 1, hash: "h", labels: {}, annotations: {}, spec };
  };
  return checkReference({ declared, cluster, reference });
}

const code = (outcome: unknown) => (outcome instanceof SyncError ? outcome.code : "well");
const CONNECTION = { address: "https://vault.example:8200" };
const AUTH = {
  method: "appRole",
  mount: "approle",
  vaultConnectionRef: "it",
  appRole: { roleId: "r", secretRef: "credential" },
};

describe("what syncs refer to is checked by itself", () => {
  it("a VaultAuth needs its connection and its method's fields; its credentials are not looked for", () => {
    const missing = checked("VaultAuth", { "VaultAuth/shop/it": AUTH });
    assert.equal(code(missing.outcome), "REFERENCE_MISSING");
    assert.deepEqual(missing.refs, ["east/VaultConnection/shop/it"], "its appearance is worth another run");
    const there = { "VaultAuth/shop/it": AUTH, "VaultConnection/shop/it": CONNECTION };
    assert.equal(code(checked("VaultAuth", there).outcome), "well");
    const { appRole: _left, ...incomplete } = AUTH;
    assert.equal(
      code(checked("VaultAuth", { ...there, "VaultAuth/shop/it": incomplete }).outcome),
      "REFERENCE_INVALID",
    );
  });

  it("a VaultConnection names whom to ask, as the fleet sees it, and the Secret of its CA", () => {
    const spec = { ...CONNECTION, caCertSecretRef: "ca" };
    const { outcome, refs } = checked("VaultConnection", { "VaultConnection/shop/it": spec });
    assert.ok(!(outcome instanceof SyncError));
    assert.equal(outcome.vault?.circuit, "vault:https://vault.example:8200");
    assert.deepEqual(refs, ["east/Secret/shop/ca"]);
    const outside = { ...EAST, vault: { address: "https://outside:8200" } };
    const seen = checked("VaultConnection", { "VaultConnection/shop/it": spec }, outside).outcome;
    assert.equal(seen instanceof SyncError ? "" : seen.vault?.target.address, "https://outside:8200");
    const onDisk = { ...CONNECTION, caCertPath: "/ca.pem" };
    assert.equal(code(checked("VaultConnection", { "VaultConnection/shop/it": onDisk }).outcome), "UNSUPPORTED");
  });

  it("a VaultAuth with a VaultAuthGlobal says whether both could be merged, others say nothing of it", () => {
    const there = { "VaultConnection/shop/it": CONNECTION };
    const named = { ...AUTH, vaultAuthGlobalRef: { name: "all" } };
    assert.equal(checked("VaultAuth", { ...there, "VaultAuth/shop/it": named }).merged, false);
    const all = { "VaultAuthGlobal/shop/all": { allowedNamespaces: ["*"], defaultAuthMethod: "appRole" } };
    const { merged, refs } = checked("VaultAuth", { ...there, ...all, "VaultAuth/shop/it": named });
    assert.equal(merged, true);
    assert.ok(refs.includes("east/VaultAuthGlobal/shop/all" as ReferenceKey));
    assert.equal("merged" in checked("VaultAuth", { ...there, "VaultAuth/shop/it": AUTH }), false);
    const connection = { ...CONNECTION, vaultAuthGlobalRef: { name: "all" } };
    assert.equal("merged" in checked("VaultConnection", { ...all, "VaultConnection/shop/it": connection }), false);
  });

  it("a VaultAuth tells what works but should change", () => {
    const kubernetes = { role: "r", serviceAccount: "sa" };
    const spec = { method: "kubernetes", mount: "k", vaultConnectionRef: "it", kubernetes };
    const { outcome } = checked("VaultAuth", { "VaultAuth/shop/it": spec, "VaultConnection/shop/it": CONNECTION });
    assert.ok(!(outcome instanceof SyncError));
    assert.deepEqual(
      outcome.warnings?.map(({ type }) => type),
      ["AudienceMissing"],
    );
  });

  it("a VaultConnection is asked in the name of its namespace", () => {
    const { outcome } = checked("VaultConnection", { "VaultConnection/shop/it": CONNECTION });
    assert.ok(!(outcome instanceof SyncError));
    assert.equal(outcome.vault?.target.place, "east/shop");
  });

  it("a SecretTransformation has to be one", () => {
    const well = { templates: { a: { text: "x" } } };
    const { outcome: sound } = checked("SecretTransformation", { "SecretTransformation/shop/it": well });
    assert.ok(!(sound instanceof SyncError));
    assert.deepEqual(sound.rendering?.templates, [{ name: "shop/it/a", text: "x" }]);
    const odd = { templates: { a: {} } };
    const { outcome } = checked("SecretTransformation", { "SecretTransformation/shop/it": odd });
    assert.equal(code(outcome), "REFERENCE_INVALID");
  });
});
