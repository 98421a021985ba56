import assert from "node:assert/strict";
import { resolveIdentity } from "../../../lib/declarations/identity.ts";
import { lookUp } from "../../../lib/declarations/look-up.ts";
import { type ErrorCode, SyncError } from "../../../lib/errors.ts";
import type { ClusterSettings } from "../../../lib/ports/fleet.ts";
import type { Reference } from "../../../lib/ports/rows.ts";
import type { JsonObject } from "../../../lib/util/json.ts";
import { aCluster } from "../../builders.ts";

export const EAST = aCluster();

export type Objects = Readonly<Record<string, JsonObject>>;
export const CONNECTION = { "VaultConnection/vso/default": { address: "https://vault.example:8200" } };

/** How a resource of namespace `shop` logs in, and what was asked for; objects by `Kind/namespace/name`. */
export function login(objects: Objects, vaultAuthRef = "mine", cluster = EAST) {
  return loginWith({ ...CONNECTION, ...objects }, vaultAuthRef, cluster);
}

export function loginWith(all: Objects, vaultAuthRef: string, cluster: ClusterSettings) {
  const lookup = lookUp(cluster, (key): Reference | undefined => {
    const name = key.slice("east/".length);
    const spec = all[name];
    if (spec === undefined) return undefined;
    return { key, uid: `uid of ${name}`, generation: 1, hash: "h", labels: {}, annotations: {}, spec };
  });
  const asked = () => [...lookup.refs].map((key) => key.slice("east/".length));
  try {
    return { identity: resolveIdentity(lookup, vaultAuthRef, "shop", cluster), asked: asked() };
  } catch (error) {
    if (error instanceof SyncError) return { error, asked: asked() };
    throw error;
  }
}

export function identity(objects: Objects, vaultAuthRef = "mine", cluster = EAST) {
  const found = login(objects, vaultAuthRef, cluster);
  if (found.error) throw found.error;
  return found.identity;
}

export function fails(objects: Objects, code: ErrorCode, message: RegExp, vaultAuthRef = "mine"): readonly string[] {
  const { error, asked } = login(objects, vaultAuthRef);
  assert.equal(error?.code, code, error?.message);
  assert.match(error?.message ?? "", message);
  return asked;
}

export const mine = (spec: JsonObject): Objects => ({
  "VaultAuth/shop/mine": { vaultConnectionRef: "vso/default", ...spec },
});
export const account = (name: string, audiences: readonly string[], expirationSeconds: number) => ({
  kind: "serviceAccount",
  cluster: "east",
  namespace: "shop",
  name,
  audiences,
  expirationSeconds,
});
