import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SyncError } from "../../../../lib/errors.ts";
import { type ReferenceKey, syncKey } from "../../../../lib/keys.ts";
import { resolveDynamicSecret } from "../../../../lib/kinds/dynamic/resolve.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import type { Reference } from "../../../../lib/ports/rows.ts";
import { requestId } from "../../../../lib/ports/vault-ids.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../../builders.ts";

const OBJECTS: Readonly<Record<string, JsonObject>> = {
  "VaultAuth/vso/default": {
    ...{ method: "kubernetes", mount: "kubernetes", namespace: "team" },
    kubernetes: { role: "shop", serviceAccount: "default" },
  },
  "VaultConnection/vso/default": { address: "https://Vault.example:8200/" },
  "SecretTransformation/shop/names": { excludes: ["^password$"] },
};

function reference(key: ReferenceKey): Reference | undefined {
  const spec = OBJECTS[key.slice("east/".length)];
  return spec && { key, uid: `uid of ${key}`, generation: 4, hash: "h", labels: {}, annotations: {}, spec };
}

function resolution(fields: JsonObject = {}, tooLarge?: number) {
  const key = syncKey({ cluster: "east", kind: "VaultDynamicSecret", namespace: "shop", name: "db" });
  const spec = { mount: "database", path: "creds/app", destination: { name: "db", create: true }, ...fields };
  const declared = aDeclared({ key, uid: "u1", spec, ...(tooLarge === undefined ? {} : { tooLarge }) });
  return resolveDynamicSecret({ declared, cluster: aCluster(), reference });
}

function resolved(fields: JsonObject = {}) {
  const { outcome } = resolution(fields);
  if (outcome instanceof SyncError) throw outcome;
  return outcome;
}

describe("a VaultDynamicSecret with its references", () => {
  it("asks one Vault, at the place of its request", () => {
    const { asks, request, auth } = resolved();
    assert.deepEqual(request, { mount: "database", path: "creds/app", method: "GET" });
    assert.equal(asks.circuit, "vault:https://vault.example:8200");
    const place = { vault: "https://vault.example:8200", path: "team/database/creds/app", role: "read" };
    assert.deepEqual(asks.place, place);
    assert.deepEqual([asks.id, asks.identity.namespace], [requestId(asks.identity, request), "team"]);
    assert.deepEqual(auth, { uid: "uid of east/VaultAuth/vso/default", generation: 4 });
  });

  it("asks as it is declared: where, how, and with what", () => {
    const cases: readonly (readonly [JsonObject, object])[] = [
      [{ namespace: "/other/" }, { namespace: "other", mount: "database", path: "creds/app", method: "GET" }],
      [{ namespace: "" }, { mount: "database", path: "creds/app", method: "GET" }],
      [
        { mount: "/a/b/", path: "/c/d/" },
        { mount: "a/b", path: "c/d", method: "GET" },
      ],
      [{ requestHTTPMethod: "GET" }, { mount: "database", path: "creds/app", method: "GET" }],
      [{ requestHTTPMethod: "POST" }, { mount: "database", path: "creds/app", method: "POST", body: {} }],
      [{ params: { ttl: "1h" } }, { mount: "database", path: "creds/app", method: "POST", body: { ttl: "1h" } }],
      [{ params: {} }, { mount: "database", path: "creds/app", method: "GET" }],
    ];
    for (const [fields, request] of cases) assert.deepEqual(resolved(fields).request, request, JSON.stringify(fields));
  });

  it("has its settings, and nothing that is not declared", () => {
    const plain = resolved();
    assert.deepEqual(
      [
        plain.refreshAfterMs,
        plain.hmac,
        plain.allowStaticCreds,
        plain.renewalPercent,
        plain.revokesReplaced,
        plain.rolloutTargets,
      ],
      [undefined, false, false, 67, true, []],
    );
    const full = resolved({
      ...{ refreshAfter: "90s", allowStaticCreds: true, renewalPercent: 30 },
      rolloutRestartTargets: [
        { kind: "Deployment", name: "web" },
        { kind: "Deployment", name: "web" },
        { kind: "StatefulSet", name: "web" },
      ],
    });
    assert.deepEqual(
      [full.refreshAfterMs, full.hmac, full.allowStaticCreds, full.renewalPercent],
      [90_000, true, true, 30],
    );
    assert.deepEqual(
      full.rolloutTargets.map(({ kind }) => kind),
      ["Deployment", "StatefulSet"],
    );
    assert.equal(resolved({ refreshAfter: "0s" }).refreshAfterMs, undefined);
    assert.equal(resolved({ allowStaticCreds: false }).allowStaticCreds, false);
  });

  it("owns its Secret, and has the transformation of its references", () => {
    const transformation = { excludeRaw: true, transformationRefs: [{ name: "names" }] };
    const one = resolved({ destination: { name: "db", create: true, transformation } });
    assert.deepEqual(
      [one.destination.type, one.transformation.excludes, one.transformation.excludeRaw],
      ["Opaque", ["^password$"], true],
    );
    assert.equal(one.destination.labels["secrets.hashicorp.com/vso-ownerRefUID"], "u1");
  });

  it("issues anew when its request or its transformation changes", () => {
    const cause = (fields: JsonObject) => requestOf(resolved(fields));
    const transformation = { excludeRaw: true };
    const others = [
      { path: "creds/other" },
      { params: { a: "b" } },
      { destination: { name: "db", create: true, transformation } },
    ];
    assert.equal(new Set([{}, ...others].map(cause)).size, others.length + 1);
    assert.equal(cause({ renewalPercent: 10 }), cause({}));
  });

  it("has the request that rows of former versions know", () => {
    assert.equal(requestOf(resolved()), "412adf17d6f7302b6107de0a");
  });

  it("notes all references, also when something is wrong, and says what", () => {
    assert.ok(resolution().refs.includes("east/VaultAuth/vso/default" as ReferenceKey));
    const lost = resolution({ vaultAuthRef: "none" });
    assert.ok(lost.refs.includes("east/VaultAuth/shop/none" as ReferenceKey));
    for (const [fields, tooLarge, code, message] of [
      [{ vaultAuthRef: "none" }, undefined, "REFERENCE_MISSING", /VaultAuth shop\/none/],
      [{ mount: "" }, undefined, "SPEC_INVALID", /spec\.mount/],
      [{}, 400_000, "SPEC_INVALID", /400000 bytes/],
    ] as const) {
      const { outcome } = resolution(fields, tooLarge);
      assert.ok(outcome instanceof SyncError);
      assert.equal(outcome.code, code);
      assert.match(outcome.message, message);
    }
  });
});
