import assert from "node:assert/strict";
import { type ErrorCode, SyncError } from "../../../../lib/errors.ts";
import { type ReferenceKey, referenceKey, syncKey } from "../../../../lib/keys.ts";
import { type ResolvedStaticSecret, resolveStaticSecret } from "../../../../lib/kinds/static/resolve.ts";
import type { Reference } from "../../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../../lib/util/json.ts";
import { aCluster, aDeclared } from "../../../builders.ts";

export const EAST = aCluster();

export const STATIC = { type: "kv-v2", mount: "kv", path: "app", destination: { name: "app", create: true } };
export const KUBERNETES = {
  method: "kubernetes",
  mount: "kubernetes",
  kubernetes: { role: "shop", serviceAccount: "default" },
};
export const CONNECTION = { address: "https://Vault.example:8200/" };

export type Objects = Readonly<Record<string, JsonObject>>;

/** Objects by `Kind/namespace/name`. */
export function world(objects: Objects, versions: Readonly<Record<string, string>> = {}) {
  return (key: ReferenceKey): Reference | undefined => {
    const name = key.slice("east/".length);
    const spec = objects[name];
    if (spec === undefined) return undefined;
    return {
      key,
      uid: `uid of ${name}`,
      generation: 1,
      hash: versions[name] ?? "h",
      labels: {},
      annotations: {},
      spec,
    };
  };
}

export const DEFAULTS: Objects = { "VaultAuth/vso/default": KUBERNETES, "VaultConnection/vso/default": CONNECTION };

export function resolution(spec: JsonObject, objects: Objects, cluster = EAST, versions = {}) {
  const key = syncKey({ cluster: "east", kind: "VaultStaticSecret", namespace: "shop", name: "app" });
  return resolveStaticSecret({
    declared: aDeclared({ key, uid: "u1", spec }),
    cluster,
    reference: world(objects, versions),
  });
}

export function resolved(spec: JsonObject, objects: Objects, cluster = EAST, versions = {}): ResolvedStaticSecret {
  const { outcome } = resolution(spec, objects, cluster, versions);
  if (outcome instanceof SyncError) throw outcome;
  return outcome;
}

export function fails(
  spec: JsonObject,
  objects: Objects,
  code: ErrorCode,
  message: RegExp,
  cluster = EAST,
): readonly string[] {
  const { refs, outcome } = resolution(spec, objects, cluster);
  assert.ok(outcome instanceof SyncError, "it resolved");
  assert.equal(outcome.code, code, outcome.message);
  assert.match(outcome.message, message);
  return refs;
}

export const ref = (kind: string, namespace: string, name: string) =>
  referenceKey({ cluster: "east", kind, namespace, name });
