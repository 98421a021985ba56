import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeAuth } from "../../../lib/declarations/merge-auth.ts";
import { vaultAuthSpec } from "../../../lib/declarations/vault-auth.ts";
import { vaultAuthGlobalSpec } from "../../../lib/declarations/vault-auth-global.ts";

const merge = (auth: object, global: object) => mergeAuth(vaultAuthSpec.parse(auth), vaultAuthGlobalSpec.parse(global));

/** What a VaultAuthGlobal says for every method. */
const DEFAULTS = {
  defaultAuthMethod: "kubernetes",
  defaultMount: "theirs",
  defaultVaultNamespace: "other",
  vaultConnectionRef: "d",
};

describe("a VaultAuth with its VaultAuthGlobal", () => {
  it("takes the method, mount, namespace and connection that it has itself", () => {
    const auth = {
      method: "jwt",
      mount: "mine",
      namespace: "own",
      vaultConnectionRef: "c",
      jwt: { role: "r", serviceAccount: "sa" },
    };
    const global = { ...DEFAULTS, jwt: { mount: "jwt", namespace: "of-jwt" } };
    const { method, mount, namespace, vaultConnectionRef } = merge(auth, global);
    assert.deepEqual([method, mount, namespace, vaultConnectionRef], ["jwt", "mine", "own", "c"]);
  });

  it("keeps what is its own alone", () => {
    const ref = { name: "all" };
    const { allowedNamespaces, vaultAuthGlobalRef } = merge(
      { allowedNamespaces: ["shop"], vaultAuthGlobalRef: ref },
      DEFAULTS,
    );
    assert.deepEqual([allowedNamespaces, vaultAuthGlobalRef], [["shop"], ref]);
  });

  it("else what the method's block says, else the default", () => {
    const global = {
      ...DEFAULTS,
      kubernetes: { role: "r", serviceAccount: "sa", mount: "k8s", namespace: "of-k8s" },
    };
    const filled = merge({ mount: "", namespace: "" }, global);
    assert.deepEqual(filled, {
      method: "kubernetes",
      mount: "k8s",
      namespace: "of-k8s",
      vaultConnectionRef: "d",
      kubernetes: { role: "r", serviceAccount: "sa", tokenExpirationSeconds: 600 },
    });
    const { kubernetes: _, ...without } = global;
    assert.deepEqual(merge({ kubernetes: { role: "x" } }, without), {
      method: "kubernetes",
      mount: "theirs",
      namespace: "other",
      vaultConnectionRef: "d",
      kubernetes: { role: "x", tokenExpirationSeconds: 600 },
    });
  });

  it("fills the empty fields of its method's block, field by field, and drops other methods", () => {
    const auth = {
      method: "kubernetes",
      kubernetes: { role: "mine", serviceAccount: "", audiences: [] },
      appRole: { roleId: "unused" },
    };
    const global = { kubernetes: { role: "theirs", serviceAccount: "sa", audiences: ["vault"] }, jwt: { role: "x" } };
    assert.deepEqual(merge(auth, global), {
      method: "kubernetes",
      kubernetes: { role: "mine", serviceAccount: "sa", audiences: ["vault"], tokenExpirationSeconds: 600 },
    });
  });

  it("takes the global's tokenExpirationSeconds only where it has no block of its own", () => {
    const global = { defaultAuthMethod: "jwt", jwt: { role: "r", serviceAccount: "sa", tokenExpirationSeconds: 1200 } };
    assert.equal(merge({}, global).jwt?.tokenExpirationSeconds, 1200);
    assert.equal(merge({ jwt: { role: "mine" } }, global).jwt?.tokenExpirationSeconds, 600);
  });

  for (const field of ["headers", "params"] as const) {
    const global = {
      defaultAuthMethod: "kubernetes",
      [field]: { a: "all", b: "all", c: "all" },
      kubernetes: { role: "r", [field]: { b: "method", c: "method" } },
    };
    const mergedWith = (strategy: string | undefined, own: object | undefined, from: object = global) => {
      const mergeStrategy = strategy === undefined ? {} : { mergeStrategy: { [field]: strategy } };
      return merge({ vaultAuthGlobalRef: mergeStrategy, ...(own && { [field]: own }) }, from)[field];
    };

    it(`merges ${field} by none, union or replace`, () => {
      const own = { c: "own" };
      assert.deepEqual(mergedWith(undefined, own), own);
      assert.deepEqual(mergedWith("none", own), own);
      assert.equal(mergedWith("none", undefined), undefined);
      assert.deepEqual(mergedWith("union", own), { a: "all", b: "method", c: "own" });
      assert.deepEqual(mergedWith("replace", own), own);
      assert.deepEqual(mergedWith("replace", {}), { b: "method", c: "method" });
      const withoutMethods = { defaultAuthMethod: "kubernetes", [field]: { a: "all" } };
      assert.deepEqual(mergedWith("replace", undefined, withoutMethods), { a: "all" });
    });
  }
});
