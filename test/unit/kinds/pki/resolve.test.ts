import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { type ReferenceKey, syncKey } from "../../../../lib/keys.ts";
import { requestOf } from "../../../../lib/kinds/issued/request-of.ts";
import { resolvePkiSecret } from "../../../../lib/kinds/pki/resolve.ts";
import type { Reference } from "../../../../lib/ports/rows.ts";
import { requestId } from "../../../../lib/ports/vault-ids.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../../builders.ts";

const OBJECTS: Readonly<Record<string, JsonObject>> = {
  "VaultAuth/vso/default": {
    method: "kubernetes",
    mount: "kubernetes",
    namespace: "team",
    kubernetes: { role: "shop", serviceAccount: "default" },
  },
  "VaultConnection/vso/default": { address: "https://Vault.example:8200/" },
  "SecretTransformation/shop/names": { excludes: ["^private_key$"] },
};

function reference(key: ReferenceKey): Reference | undefined {
  const spec = OBJECTS[key.slice("east/".length)];
  return spec && { key, uid: `uid of ${key}`, generation: 1, hash: "h", labels: {}, annotations: {}, spec };
}

function resolution(fields: JsonObject = {}, tooLarge?: number) {
  const key = syncKey({ cluster: "east", kind: "VaultPKISecret", namespace: "shop", name: "web" });
  const spec = { mount: "pki", role: "web", destination: { name: "web", create: true }, ...fields };
  const declared = aDeclared({ key, uid: "u1", spec, ...(tooLarge === undefined ? {} : { tooLarge }) });
  return resolvePkiSecret({ declared, cluster: aCluster(), reference });
}

function resolved(fields: JsonObject = {}) {
  const { outcome } = resolution(fields);
  if (outcome instanceof SyncError) throw outcome;
  return outcome;
}

describe("a VaultPKISecret with its references", () => {
  it("asks one Vault, at the place of its request", () => {
    const { asks, request } = resolved({ issuerRef: "inter" });
    assert.equal(request.path, "issuer/inter/issue/web");
    assert.equal(asks.circuit, "vault:https://vault.example:8200");
    assert.deepEqual(asks.place, {
      vault: "https://vault.example:8200",
      path: "team/pki/issuer/inter/issue/web",
      role: "read",
    });
    assert.equal(asks.id, requestId(asks.identity, request));
    assert.equal(asks.identity.namespace, "team");
  });

  it("has its settings, and nothing that is not declared", () => {
    const plain = resolved();
    assert.deepEqual(
      [plain.revoke, plain.blanks, plain.expiryOffsetMs, plain.refreshAfterMs, plain.hmac, plain.rolloutTargets],
      [false, undefined, undefined, undefined, true, []],
    );
    const full = resolved({
      revoke: true,
      clear: true,
      expiryOffset: "24h",
      destination: { name: "web" },
      rolloutRestartTargets: [
        { kind: "Deployment", name: "web" },
        { kind: "Deployment", name: "web" },
      ],
    });
    assert.deepEqual([full.revoke, full.blanks, full.expiryOffsetMs], [true, "web", 86_400_000]);
    assert.deepEqual(full.rolloutTargets, [{ kind: "Deployment", name: "web" }]);
    assert.equal(full.destination.create, false);
  });

  it("never empties a Secret of its own, which goes with the declaration", () => {
    assert.equal(resolved({ clear: true }).blanks, undefined);
  });

  it("takes an offset of zero for none", () => {
    assert.equal(resolved({ expiryOffset: "0s" }).expiryOffsetMs, undefined);
  });

  it("owns its Secret, and has the transformation of its references", () => {
    const transformation = { excludeRaw: true, transformationRefs: [{ name: "names" }] };
    const { destination, transformation: found } = resolved({
      destination: { name: "web", create: true, type: "kubernetes.io/tls", transformation },
    });
    assert.equal(destination.type, "kubernetes.io/tls");
    assert.equal(destination.labels["secrets.hashicorp.com/vso-ownerRefUID"], "u1");
    assert.deepEqual(found.excludes, ["^private_key$"]);
    assert.equal(found.excludeRaw, true);
  });

  it("has the request that rows of former versions know", () => {
    assert.equal(requestOf(resolved()), "77b3a0e3d47e7e43f4c4a1c1");
  });

  it("notes all references, also when something is wrong", () => {
    const refs = ["east/VaultAuth/vso/default", "east/VaultConnection/vso/default"];
    assert.deepEqual(resolution().refs.slice(0, 2), refs);
    assert.deepEqual(resolution({ ttl: "1h", notAfter: "2027-01-01T00:00:00Z" }).refs.slice(0, 2), refs);
  });

  const fails = (outcome: unknown, code: ErrorCode, message: RegExp) => {
    assert.ok(outcome instanceof SyncError);
    assert.equal(outcome.code, code);
    assert.match(outcome.message, message);
  };

  it("says what is wrong with it", () => {
    fails(resolution({ role: "" }).outcome, "SPEC_INVALID", /spec\.role/);
    fails(resolution({ ttl: "1y" }).outcome, "SPEC_INVALID", /spec\.ttl/);
    fails(resolution({ vaultAuthRef: "none" }).outcome, "REFERENCE_MISSING", /VaultAuth shop\/none/);
    fails(resolution({}, 400_000).outcome, "SPEC_INVALID", /400000 bytes/);
  });
});
